// Stands before the CLI for Microsoft 365 (node --require): connections to
// Microsoft's hosts go to the local Graph, whose certificate holds for them.
// The CLI itself is as it was published. A connection to anywhere else is
// refused, so that a test never leaves the machine.
const tls = require("node:tls");
const net = require("node:net");

const graph = new URL(process.env.GRAPH);
const hosts = new Set(["graph.microsoft.com", "login.microsoftonline.com"]);
const loopback = new Set(["localhost", "127.0.0.1", "::1"]);

const connectTLS = tls.connect;
tls.connect = function (options, ...rest) {
  if (hosts.has(options?.host)) {
    return connectTLS.call(this, { ...options, host: graph.hostname, port: Number(graph.port), servername: options.servername ?? options.host }, ...rest);
  }
  return connectTLS.call(this, options, ...rest);
};

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...args) {
  const options = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (options?.path === undefined && !loopback.has(options?.host ?? "localhost")) {
    throw new Error(`a connection to ${options.host} was asked for; this test has only the local Graph`);
  }
  return connect.apply(this, args);
};
