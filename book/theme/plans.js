// The page `plans`. `browser` is a promise of what `book/browser` exports.
browser.then(({ plans_placeholder }) => {
    document.getElementById("plans").textContent = plans_placeholder();
});
