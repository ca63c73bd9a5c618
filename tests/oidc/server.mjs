// A server of tokens as SMART Backend Services want it: client_credentials for clients that sign with a private key
// (RS384, ES384). Its clients, as JSON, are the first argument; it says its address in a line, and ends with its stdin.
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

const scope = 'system/*.rs';
const clients = JSON.parse(process.argv[2]).map((client) => ({
  ...client, scope, grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
  token_endpoint_auth_method: 'private_key_jwt',
}));

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const base = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(base, {
    clients,
    scopes: [scope, 'system/*.cruds'],
    clientAuthMethods: ['private_key_jwt'],
    enabledJWA: { clientAuthSigningAlgValues: ['RS384', 'ES384'] },
    features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
    ttl: { ClientCredentials: 300 },
  });
  const answer = provider.callback();
  server.on('request', (request, response) => {
    if (request.url !== '/fhir/.well-known/smart-configuration') return answer(request, response);
    return response.end(JSON.stringify({ token_endpoint: `${base}/token` }));
  });
  console.log(base);
});
process.stdin.on('end', () => process.exit()).resume();
