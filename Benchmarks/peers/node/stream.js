'use strict';
// The relay on Node's http module, as server and as client.

const http = require('node:http');

const { SOCKET, PROVIDER } = process.env;
const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: 10000 });
const callOptions = { method: 'POST', agent, headers: { 'Content-Type': 'application/json' } };
const streamHeaders = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-cache',
  'X-Accel-Buffering': 'no',
};

function stream(request, response) {
  const prompt = new URL(request.url, 'http://localhost').searchParams.get('prompt') ?? '';
  response.writeHead(200, streamHeaders);

  function fail(message) {
    if (!response.writableEnded) response.end(`event: error\ndata: ${JSON.stringify({ message })}\n\n`);
  }

  const call = http.request(`${PROVIDER}/chat/completions`, callOptions, (answer) => {
    if (answer.statusCode !== 200) {
      fail(`the provider answered ${answer.statusCode}`);
      answer.resume(); // read to its end, the connection is kept
      return;
    }
    let rest = ''; // a line whose end has not arrived
    answer.setEncoding('utf8');
    answer.on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      let events = '';
      for (const line of lines) {
        if (!line.startsWith('data:')) continue;
        const data = line.slice(5).trim();
        if (data === '[DONE]') {
          response.end(`${events}event: done\ndata: {}\n\n`);
          return;
        }
        let token;
        try {
          token = JSON.parse(data).choices?.[0]?.delta?.content;
        } catch (error) {
          fail(error.message);
          call.destroy();
          return;
        }
        if (token) events += `data: ${JSON.stringify({ token })}\n\n`;
      }
      if (events && !response.write(events)) {
        answer.pause();
        response.once('drain', () => answer.resume());
      }
    });
    answer.on('error', (error) => fail(error.message));
    answer.on('end', () => fail('the provider ended without [DONE]'));
  });
  call.on('error', (error) => fail(error.message));
  call.end(JSON.stringify({ model: 'mock', stream: true, messages: [{ role: 'user', content: prompt }] }));

  // The client left: end the provider's work. After a whole answer the connection is kept.
  response.on('close', () => {
    if (!response.writableFinished) call.destroy();
  });
}

const server = http.createServer(stream);
server.keepAliveTimeout = 75_000; // nginx keeps an idle connection for 60 s and must be the one who closes it
server.listen({ path: SOCKET, backlog: 4096 });
