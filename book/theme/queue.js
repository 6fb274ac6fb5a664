// The page `queue`. `browser` is a promise of what `book/browser` exports.
browser.then(({ queue_placeholder }) => {
    document.getElementById("queue").textContent = queue_placeholder();
});
