//! The page `queue`.

use wasm_bindgen::prelude::wasm_bindgen;

/// Returns the name of the page, as long as it can do nothing else.
#[wasm_bindgen]
#[must_use]
pub fn queue_placeholder() -> String {
    "queue".to_owned()
}
