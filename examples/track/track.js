// What a page does: <script src="/track.js" defer></script>, then track.consent(true) once the
// visitor agreed, track.event("price viewed", {plan: "pro"}), and track.identify() after login.
// Nothing is kept or sent without his consent, nor where his browser asks not to be tracked.
(() => {
  const refused = navigator.globalPrivacyControl === true || navigator.doNotTrack === "1";
  const ID = "track.visitor", CONSENT = "track.consent", MOST = 20, WAIT = 2000;
  let waiting = [], timer = 0;

  const allowed = () => !refused && localStorage.getItem(CONSENT) === "yes";

  const visitor = () => {
    let id = localStorage.getItem(ID);
    if (!id) localStorage.setItem(ID, (id = crypto.randomUUID()));
    return id;
  };

  const flush = () => {
    clearTimeout(timer);
    timer = 0;
    while (waiting.length > 0) {
      const body = JSON.stringify({ visitor: visitor(), events: waiting.splice(0, MOST) });
      // A beacon outlives the page. The key makes an event sent twice one event.
      if (!navigator.sendBeacon("/track", body)) fetch("/track", { method: "POST", body, keepalive: true }).catch(() => {});
    }
  };

  const event = (name, props = {}) => {
    if (!allowed()) return;
    waiting.push({ name, props, at: new Date().toISOString(), key: crypto.randomUUID() });
    if (waiting.length >= MOST) flush();
    else if (!timer) timer = setTimeout(flush, WAIT);
  };

  // The server knows by its own session who has signed in: the browser only says which visitor it is.
  const identify = async () => {
    if (!allowed()) return;
    flush();
    const body = JSON.stringify({ visitor: visitor() });
    const answer = await fetch("/track/identify", { method: "POST", body, keepalive: true });
    if (answer.status === 409) localStorage.removeItem(ID); // somebody else's browser until now
  };

  const consent = (yes) => {
    if (yes) {
      localStorage.setItem(CONSENT, "yes");
      return event("page viewed", { path: location.pathname });
    }
    waiting = [];
    clearTimeout(timer);
    timer = 0;
    localStorage.removeItem(ID);
    localStorage.removeItem(CONSENT);
  };

  addEventListener("visibilitychange", () => document.visibilityState === "hidden" && flush());
  event("page viewed", { path: location.pathname });
  window.track = { event, identify, consent };
})();
