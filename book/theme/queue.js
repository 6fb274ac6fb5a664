// The page `queue`. Everything is computed in `browser`: here it is only put into the page, and
// what a button stands for is told there.
browser.then(({ RingPlay, PythonPlay }) => {
    const play = (id, playing) => {
        const stage = document.getElementById(id);
        const draw = () => {
            for (const part of stage.querySelectorAll("[data-part]")) {
                const html = playing.html(part.dataset.part);
                // What is the same stays: a screen reader would read it again.
                if (part.written !== html) {
                    const isOpen = part.querySelector("details")?.open;
                    part.written = part.innerHTML = html;
                    if (isOpen) part.querySelector("details").open = true;
                }
            }
        };
        stage.addEventListener("click", (event) => {
            const button = event.target.closest("button");
            if (!button || button.ariaDisabled === "true") return;
            const next = playing.act(button.dataset.act) ?? button.id;
            draw();
            document.getElementById(next)?.focus({ preventScroll: true });
        });
        draw();
        stage.dataset.ready = "";
    };
    play("ring", new RingPlay(document.documentElement.lang));
    play("python", new PythonPlay(document.documentElement.lang));
});
