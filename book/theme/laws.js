// The page `laws`. Numbers, pictures and sentences are those of the tools `law` and `fit`.
browser.then(({ law, law_json, fit, fit_json, measurements }) => {
    const language = document.documentElement.lang;
    const fill = (form, { rows }) => {
        const body = form.querySelector("tbody");
        body.replaceChildren();
        for (const cells of rows) {
            const row = body.insertRow();
            for (const cell of cells) row.insertCell().textContent = cell;
        }
    };

    const laws = document.getElementById("law");
    const { p, n, p_slider, n_slider } = laws.elements;
    const compute = () => {
        const [fraction, workers] = [p.value, n.value];
        const json = () => law_json(fraction, workers);
        const report = show(laws, law(language, fraction, workers), json, ({ field }) => laws.elements[field]);
        if (!report) return;
        fill(laws, report);
        p_slider.value = JSON.parse(json()).p;
        n_slider.value = Number(workers);
    };
    laws.addEventListener("input", ({ target }) => {
        if (target === p_slider) p.value = p_slider.value;
        if (target === n_slider) n.value = n_slider.value;
        compute();
    });

    const fits = document.getElementById("fit");
    const { csv } = fits.elements;
    const find = () => {
        const text = csv.value;
        const report = show(fits, fit(language, text), () => fit_json(text), () => csv);
        if (report) fill(fits, report);
    };
    csv.addEventListener("input", find);

    csv.value = measurements();
    compute();
    find();
    laws.dataset.ready = fits.dataset.ready = "";
});
