// Search for those who read the site from disk. The theme searches in a worker,
// and browsers start none for a page that is a file; here a frame stands for it.
if (location.protocol === 'file:') {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement('iframe');
      frame.hidden = true;
      document.body.append(frame);
      this.inner = frame.contentWindow;
      // What the worker says.
      this.inner.postMessage = (data) =>
        this.dispatchEvent(new MessageEvent('message', {data}));
      const script = frame.contentDocument.createElement('script');
      this.loaded = new Promise((done) => { script.onload = done; });
      script.src = url;
      frame.contentDocument.body.append(script);
    }

    // What is said to it.
    async postMessage(data) {
      await this.loaded;
      this.inner.dispatchEvent(new MessageEvent('message', {data}));
    }
  };
}
