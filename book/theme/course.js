// What every page of the course does.

// The switch leads to the same place of the page, where the other language has it.
document.getElementById("language").addEventListener("click", (event) => {
    event.currentTarget.hash = location.hash;
});

// Marks Chinese in drawings and outputs, so that it can be as wide as there in a terminal.
const wide = /[\u2e80-\u9fff\uff01-\uff60]+/g;
for (const code of document.querySelectorAll("pre code")) {
    const texts = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
    const found = [];
    while (texts.nextNode()) if (texts.currentNode.data.search(wide) >= 0) found.push(texts.currentNode);
    for (const text of found) {
        const parts = document.createDocumentFragment();
        let done = 0;
        for (const match of text.data.matchAll(wide)) {
            const span = document.createElement("span");
            span.className = "wide";
            span.textContent = match[0];
            parts.append(text.data.slice(done, match.index), span);
            done = match.index + match[0].length;
        }
        parts.append(text.data.slice(done));
        text.replaceWith(parts);
    }
}

// Without this mdBook turns the page when an arrow moves through what can be played with.
document.querySelector("main").addEventListener("keydown", (event) => {
    if (event.key.startsWith("Arrow") && event.target.closest(".report, .play")) event.stopPropagation();
});
