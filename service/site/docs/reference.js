// Shows /openapi.json. The reader may enter the token; it is kept nowhere, and a reload forgets it.
const reference = document.getElementById("reference");

SwaggerUIBundle({
  url: "../openapi.json",
  domNode: reference,
  layout: "BaseLayout",
  defaultModelsExpandDepth: 0,
  docExpansion: "list",
  persistAuthorization: false,
  validatorUrl: null, // or else a badge would be asked of another host
});

// What Swagger UI leaves out for those who don't see the page, or use no mouse.
const NAMES = {
  "#servers": "Server",
  "select.content-type": "Media type",
  ".examples-select-element": "Sample",
  ".parameters select:not(.content-type, .examples-select-element)": "Value",
  "textarea.body-param__text": "Body",
  ".close-modal": "Close",
};

function name() {
  for (const [selector, label] of Object.entries(NAMES))
    for (const element of reference.querySelectorAll(selector)) element.ariaLabel ??= label;
  for (const code of reference.querySelectorAll("pre.microlight")) code.tabIndex = 0;
  for (const field of reference.querySelectorAll(".auth-container input")) field.autocomplete = "off";
  for (const button of reference.querySelectorAll(".auth-btn-wrapper [aria-label]"))
    button.removeAttribute("aria-label"); // its text says more
}

new MutationObserver(name).observe(reference, { childList: true, subtree: true });
