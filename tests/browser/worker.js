// The service worker of the hostile page: it asks for what it is told to, and says what came.
self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('message', (event) => {
  const ask = async () => {
    await fetch(event.data, { mode: 'no-cors', method: 'POST', body: '{"a":"b"}' }).catch(() => {});
    return (await fetch(event.data)).text();
  };
  event.waitUntil(
    ask().then(
      (text) => event.ports[0].postMessage(text),
      (error) => event.ports[0].postMessage(`error: ${error}`),
    ),
  );
});
