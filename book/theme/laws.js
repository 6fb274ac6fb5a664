// The page `laws`. `browser` is a promise of what `book/browser` exports.
browser.then(({ laws_placeholder }) => {
    document.getElementById("laws").textContent = laws_placeholder();
});
