// The page `plans`. Numbers, pictures and sentences are those of the tool `plan`. The plan is a text in TOML; the table
// is another view of it, and writes it anew.
browser.then(({ plan, plan_cells, plan_example, plan_json, plan_toml }) => {
    const language = document.documentElement.lang;
    const form = document.getElementById("plan");
    const { toml, unit, resources, workers } = form.elements;
    const table = form.querySelector("table");
    const pattern = form.querySelector("template").content.firstElementChild;
    const columns = ["name", "duration", "after", "needs"];
    // Each with its fields, and the texts of its numbers.
    let rows = [];
    // Those that aren't empty: the tasks.
    let tasks = [];
    // What the plan was read from last: the text, or the table that wrote it.
    let source = toml;
    // What can't be edited while the text is no plan: it would write another one over it.
    const cellwise = form.querySelectorAll("table, [data-act=add], [name=unit], [name=resources]");

    const add = () => {
        const row = pattern.cloneNode(true);
        const fields = [...row.querySelectorAll("input")];
        const numbers = [...row.querySelectorAll("output")].map((cell) => cell.appendChild(new Text()));
        table.tBodies[0].append(row);
        rows.push({ row, fields, numbers });
        return rows.at(-1);
    };
    const remove = (gone) => {
        gone.row.remove();
        rows = rows.filter((row) => row !== gone);
    };
    const fill = () => {
        const cells = JSON.parse(plan_cells(toml.value));
        for (const part of cellwise) part.inert = !cells;
        if (!cells) return;
        unit.value = cells.unit;
        resources.value = cells.resources;
        while (rows.length < cells.tasks.length) add();
        while (rows.length > cells.tasks.length) remove(rows.at(-1));
        cells.tasks.forEach((task, i) => columns.forEach((name, j) => (rows[i].fields[j].value = task[name])));
    };
    const write = () => {
        const cells = (row) => Object.fromEntries(columns.map((name, i) => [name, row.fields[i].value]));
        source = table;
        tasks = rows.filter((row) => row.fields.some((field) => field.value.trim()));
        toml.value = plan_toml(
            JSON.stringify({ unit: unit.value, resources: resources.value, tasks: tasks.map(cells) }),
        );
    };
    const compute = (changed) => {
        const [text, count] = [toml.value, workers.value];
        const json = () => plan_json(text, count);
        const report = show(form, plan(language, text, count), json, (problem) => {
            const fields = problem.tasks.map((task) => tasks[task]?.fields[columns.indexOf(problem.field)]);
            // Of several, such as those of a circle, it is the one that was changed just now.
            const cell = fields.includes(changed) ? changed : fields[0];
            return source === toml && problem.field !== "workers" ? toml : (cell ?? form.elements[problem.field]);
        });
        table.classList.toggle("long", rows.length > 100);
        if (!report) return;
        table.classList.toggle("scheduled", report.rows[0].length > 8);
        const found = new Map(tasks.map((row, i) => [row, report.rows[i]]));
        rows.forEach((row) => {
            // The first number is the duration, which is a field.
            const numbers = found.get(row) ?? [];
            row.numbers.forEach((text, i) => {
                const number = numbers[i + 1] ?? "";
                if (text.data !== number) text.data = number;
            });
            row.row.classList.toggle("critical", Boolean(numbers[7]));
        });
    };
    const begin = (text) => {
        toml.value = text;
        source = toml;
        fill();
        tasks = [...rows];
        compute(toml);
    };

    form.addEventListener("input", ({ target }) => {
        if (target === toml) return begin(toml.value);
        if (target !== workers) write();
        compute(target);
    });
    form.addEventListener("click", ({ target }) => {
        const { example, act } = target.dataset;
        if (example) begin(plan_example(language, example));
        if (act === "add") add().fields[0].focus();
        if (act === "remove") {
            const place = rows.findIndex(({ row }) => row.contains(target));
            remove(rows[place]);
            (rows[place] ?? rows.at(-1) ?? add()).fields[0].focus();
            write();
            compute(target);
        }
    });
    begin(plan_example(language, "house"));
    form.dataset.ready = "";
});
