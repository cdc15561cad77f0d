// Browsers run no workers on file://. The worker of the search then runs in a hidden frame.
if (location.protocol === "file:") {
  // As between threads: a copy, after the code that sends it.
  const send = (receiver, message) => {
    const data = structuredClone(message);
    receiver.then((found) => setTimeout(() => found.onmessage?.({ data })));
  };
  window.Worker = class {
    constructor(url) {
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.scope = new Promise((resolve) => {
        const start = () => {
          const scope = this.frame.contentWindow;
          scope.postMessage = (message) => send(Promise.resolve(this), message);
          const script = scope.document.createElement("script");
          script.src = url;
          script.addEventListener("load", () => resolve(scope));
          scope.document.body.append(script);
        };
        this.frame.addEventListener("load", start, { once: true });
      });
      document.body.append(this.frame);
    }

    postMessage(message) {
      send(this.scope, message);
    }

    terminate() {
      this.frame.remove();
    }
  };
}
