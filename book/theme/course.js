// The switch leads to the same place of the page, where the other language has it.
document.getElementById("language").addEventListener("click", (event) => {
    event.currentTarget.hash = location.hash;
});
