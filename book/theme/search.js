// Splits what is searched for as `book/src/search.rs` splits the pages: into words of letters and
// digits, and Chinese into pairs of characters.
elasticlunr.tokenizer = (text) => {
    const words = /[\u3400-\u9fff]+|(?:(?![\u3400-\u9fff])[\p{L}\p{N}])+/gu;
    return (String(text).toLowerCase().match(words) ?? []).flatMap((word) =>
        /^[\u3400-\u9fff]./.test(word)
            ? Array.from(word.slice(1), (character, before) => word[before] + character)
            : [word]);
};

// Cuts a piece around what was found out of a Chinese text; mdBook's own way is to count words.
elasticlunr.teaser = (body, terms) => {
    const escaped = terms.filter(Boolean).map((term) => term.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    // An entity such as `&lt;` is no place to find an `l`.
    const found = new RegExp(`&#?\\w+;|(${escaped.join("|") || "$^"})`, "gi");
    const first = [...body.matchAll(found)].find((match) => match[1]);
    const start = Math.max(0, (first?.index ?? 0) - 30);
    // Without the rest of an entity that the cut has broken, such as `amp;`.
    const piece = body.slice(start, start + 90).replace(/^#?\w{0,4};/, "").replace(/&#?\w{0,4}$/, "");
    return piece.replace(found, (all, term) => (term ? `<em>${term}</em>` : all));
};
