//! The page `plans`.

use wasm_bindgen::prelude::wasm_bindgen;

/// Returns the name of the page, as long as it can do nothing else.
#[wasm_bindgen]
#[must_use]
pub fn plans_placeholder() -> String {
    "plans".to_owned()
}
