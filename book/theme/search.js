// Splits what is searched for as `book/src/search.rs` splits the pages: into words of letters and
// digits, and Chinese into pairs of characters.
elasticlunr.tokenizer = (text) => {
    const words = String(text).toLowerCase().match(/[\u3400-\u9fff]+|(?:(?![\u3400-\u9fff])[\p{L}\p{N}])+/gu);
    return (words ?? []).flatMap((word) => {
        if (!/[\u3400-\u9fff]./.test(word)) return [word];
        return Array.from(word.slice(1), (character, before) => word[before] + character);
    });
};
