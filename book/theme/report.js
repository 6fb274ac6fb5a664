// What the pages of plans and laws have in common: an answer of `browser` is the report of a tool, or its complaint.

// A row of a table for a complaint about the row above it.
const complaint = document.createElement("tr");
complaint.className = "complaint";
complaint.insertCell().colSpan = 99;

// Shows an answer in a form. A complaint stands beside the field that `find` returns for it, and what was shown last
// stays; otherwise the report is returned. Its JSON is made while it can be seen, by `json`: it may be long.
function show(form, answer, json, find) {
    const { Ok: report, Err: problem } = JSON.parse(answer);
    // Looked for once: a form may have thousands of fields.
    const parts = (form.parts ??= Object.fromEntries(
        ["problem", "summary", "picture", "json", "heard"].map((name) => [name, form.querySelector(`.${name}`)]),
    ));
    parts.field?.removeAttribute("aria-invalid");
    parts.field?.removeAttribute("aria-describedby");
    complaint.remove();
    form.classList.toggle("stale", Boolean(problem));
    parts.problem.hidden = !problem;
    if (problem) {
        const field = (parts.field = find(problem));
        const line = field.tagName === "TEXTAREA" && problem.line ? form.dataset.line.replace("{}", problem.line) : "";
        parts.problem.textContent = line + problem.what;
        const row = field.closest("tr");
        if (row) complaint.cells[0].append(parts.problem);
        (row ?? field.closest("label")).after(row ? complaint : parts.problem);
        field.closest("details")?.setAttribute("open", "");
        field.setAttribute("aria-invalid", "true");
        field.setAttribute("aria-describedby", parts.problem.id);
    } else {
        parts.summary.textContent = report.summary;
        parts.picture.innerHTML = report.svg;
        const details = parts.json.closest("details");
        details.ontoggle = () => {
            if (details.open) parts.json.textContent = json();
        };
        details.ontoggle();
    }
    // Announced by screen readers; of a report, its first line, which is short enough for every key.
    parts.heard.textContent = problem ? parts.problem.textContent : report.summary.split("\n", 1)[0];
    return report;
}
