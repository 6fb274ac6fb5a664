//! The page `laws`.

use wasm_bindgen::prelude::wasm_bindgen;

/// Returns the name of the page, as long as it can do nothing else.
#[wasm_bindgen]
#[must_use]
pub fn laws_placeholder() -> String {
    "laws".to_owned()
}
