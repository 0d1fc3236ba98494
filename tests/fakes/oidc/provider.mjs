// A certified OpenID provider with three accounts: node provider.mjs PORT, its JWKS on stdin.
import { readFileSync } from 'node:fs';
import { Provider } from 'oidc-provider';

const [port] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const groups = { alice: ['hr', 'writers'], bob: [], robot: ['ops'] };

const provider = new Provider(issuer, {
  jwks: JSON.parse(readFileSync(0, 'utf8')),
  clients: [
    {
      client_id: 'page',
      application_type: 'native',
      redirect_uris: ['http://127.0.0.1/back'],
      grant_types: ['authorization_code'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    },
    {
      client_id: 'robot',
      client_secret: 'robot-secret-of-the-tests',
      redirect_uris: [],
      grant_types: ['client_credentials'],
      response_types: [],
    },
    {
      client_id: 'rag',
      client_secret: 'rag-secret-of-the-tests',
      application_type: 'native',
      redirect_uris: ['http://127.0.0.1/login/callback'],
      grant_types: ['authorization_code'],
      response_types: ['code'],
    },
    {
      client_id: 'rag-public',
      application_type: 'native',
      redirect_uris: ['http://127.0.0.1/login/callback'],
      grant_types: ['authorization_code'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    },
  ],
  // What a browser's sign-in asks for: the groups come with the user info, as by default.
  claims: { openid: ['sub'], groups: ['groups'] },
  cookies: { keys: ['of the tests'] },
  ttl: { AccessToken: 600, ClientCredentials: 600 },
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, groups: groups[id] ?? [] }) }),
  extraTokenClaims: (_ctx, token) => ({ groups: groups[token.accountId ?? token.clientId] ?? [] }),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (_ctx, client) =>
        client.clientId.startsWith('rag') ? undefined : 'https://rag.example.org',
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, resource) => ({
        scope: 'ask',
        audience: resource,
        accessTokenFormat: 'jwt',
      }),
    },
  },
});

provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
