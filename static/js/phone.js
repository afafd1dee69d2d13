// The conversation starts at its end; Enter sends, Shift+Enter begins a new line.
const talk = document.querySelector(".talk");
if (talk) talk.scrollTop = talk.scrollHeight;

const form = document.querySelector(".answer");
if (form) {
  const text = form.querySelector("textarea");
  // On a real phone this would open the keyboard over the conversation.
  if (matchMedia("(hover: hover)").matches) text.focus({ preventScroll: true });
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (text.value.trim()) form.requestSubmit();
  });
  form.addEventListener("submit", () => {
    form.querySelector("button").disabled = true;
  });
  window.addEventListener("pageshow", () => {
    form.querySelector("button").disabled = false;
  });
}
