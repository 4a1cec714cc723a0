// Browsers start no worker for pages that are opened from a folder; there the search runs in a hidden frame instead.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      const inner = this.inner = frame.contentWindow;
      addEventListener("message", (event) => {
        if (event.source !== inner) return;
        const received = new MessageEvent("message", {data: event.data});
        this.dispatchEvent(received);
        this.onmessage?.(received);
      });
      inner.document.open();
      inner.document.write(`<body><script>
        const send = parent.postMessage.bind(parent);
        postMessage = (data) => send(data, "*");
        importScripts = (...urls) => urls.reduce((before, url) => before.then(() => new Promise((resolve) => {
          const script = document.createElement("script");
          script.src = url;
          script.onload = resolve;
          document.body.append(script);
        })), Promise.resolve());
      <\/script><script src="${url}"><\/script></body>`);
      inner.document.close();
    }
    postMessage(data) {
      const deliver = () => this.inner.dispatchEvent(new MessageEvent("message", {data}));
      this.inner.document.readyState === "complete" ? deliver() : this.inner.addEventListener("load", deliver);
    }
    terminate() { this.inner.frameElement.remove(); }
  };
}
