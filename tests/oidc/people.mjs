// A certified provider of identities with a log-in form of its own. Its argument, as JSON, names the people, each with
// claims, and where a console is; it says its address in a line, and ends with its stdin.
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

const { people, console: at, secret } = JSON.parse(process.argv[2]);
const scope = 'openid profile groups';

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const base = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(base, {
    clients: [{
      client_id: 'dosetwin', client_secret: secret, redirect_uris: [`${at}/oidc/callback`],
      post_logout_redirect_uris: [`${at}/login`], backchannel_logout_uri: `${at}/oidc/log-out`,
      backchannel_logout_session_required: true,
    }],
    claims: { openid: ['sub'], profile: ['preferred_username'], groups: ['groups'] },
    scopes: ['openid', 'profile', 'groups'],
    cookies: { keys: ['of a test'] },
    features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: true } },
    findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
    // who logs in has agreed already
    loadExistingGrant: async ({ oidc }) => {
      const grant = new provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope(scope);
      await grant.save();
      return grant;
    },
    // it refuses to speak to this machine, unless told
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  });
  server.on('request', provider.callback());
  console.log(base);
});
process.stdin.on('end', () => process.exit()).resume();
