"""Key formats by vendor, from what the vendors publish: prefix, alphabet, length; or a shape of its own."""

from comptroller.guardrails.pattern import AFTER, BEFORE, NO, Pattern, lifelike, tokens

_AN = "A-Za-z0-9"
_URL = "A-Za-z0-9_-"
_HEX = "0-9a-f"
_UP = "A-Z0-9"
_LOW = "a-z0-9"
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

# kind, prefixes, alphabet, length (least), most or None; OPEN below are those without an upper bound.
_FIXED: tuple[tuple[str, str, str, int, int | None], ...] = (
    ("aws-access-key", "AKIA ASIA ABIA ACCA", _UP, 16, None),
    ("google-api-key", "AIza", _URL, 35, None),
    ("google-oauth-secret", "GOCSPX-", _URL, 28, None),
    ("github-token", "ghp_ gho_ ghu_ ghs_ ghr_", _AN, 36, 76),
    ("github-fine-grained-token", "github_pat_", "A-Za-z0-9_", 82, None),
    ("gitlab-token", "glpat- gldt- glrt- glcbt- glft- glsoat- glimt- glagent- gloas- glffct-", _URL, 20, 128),
    ("gitlab-trigger-token", "glptt-", _HEX, 40, None),
    ("stripe-key", "sk_live_ sk_test_ rk_live_ rk_test_", _AN, 16, 247),
    ("stripe-webhook-secret", "whsec_", _AN, 32, 64),
    ("twilio-key", "SK", _HEX, 32, None),
    ("mailgun-key", "key-", _HEX, 32, None),
    ("npm-token", "npm_", _AN, 36, None),
    ("rubygems-key", "rubygems_", _HEX, 48, None),
    ("dockerhub-token", "dckr_pat_ dckr_oat_", _URL, 27, 32),
    ("digitalocean-token", "dop_v1_ doo_v1_ dor_v1_", _HEX, 64, None),
    ("heroku-key", "HRKU-", _URL, 36, 70),
    ("newrelic-key", "NRAK- NRAA- NRIQ-", _UP, 27, None),
    ("newrelic-browser-key", "NRJS-", _HEX, 19, None),
    ("newrelic-insert-key", "NRII-", _URL, 32, None),
    ("sentry-user-token", "sntryu_", _HEX, 64, None),
    ("grafana-service-token", "glsa_", "A-Za-z0-9_", 41, None),
    ("databricks-token", "dapi", "a-f0-9", 32, None),
    ("huggingface-token", "hf_ api_org_", "A-Za-z", 34, None),
    ("replicate-token", "r8_", _AN, 37, None),
    ("groq-key", "gsk_", _AN, 52, None),
    ("perplexity-key", "pplx-", _AN, 48, 56),
    ("xai-key", "xai-", _AN, 80, None),
    ("openrouter-key", "sk-or-v1-", _HEX, 64, None),
    ("together-key", "tgp_v1_", _URL, 43, None),
    ("fireworks-key", "fw_", _AN, 22, 24),
    ("cerebras-key", "csk-", _LOW, 48, None),
    ("openai-key", "sk-", _AN, 48, None),
    ("deepseek-key", "sk-", _HEX, 32, None),
    ("elevenlabs-key", "sk_", _HEX, 48, None),
    ("voyage-key", "pa-", _URL, 43, None),
    ("shopify-token", "shpat_ shpss_ shpca_ shppa_", "a-fA-F0-9", 32, None),
    ("square-token", "sq0atp-", _URL, 22, None),
    ("square-secret", "sq0csp-", _URL, 43, None),
    ("square-access-token", "EAAA", _URL, 60, None),
    ("linear-key", "lin_api_ lin_oauth_", _AN, 40, 64),
    ("notion-token", "secret_", _AN, 43, None),
    ("notion-integration-token", "ntn_", _AN, 46, None),
    ("figma-token", "figd_ figo_ figu_", _URL, 40, None),
    ("pulumi-token", "pul-", _HEX, 40, None),
    ("tailscale-key", "tskey-auth- tskey-api- tskey-client- tskey-scim- tskey-webhook-", "A-Za-z0-9-", 20, 80),
    ("netlify-token", "nfp_", _AN, 40, None),
    ("vercel-token", "vcp_ vck_ vci_ vca_ vcr_", _AN, 24, 60),
    ("supabase-token", "sbp_", _HEX, 40, None),
    ("supabase-secret-key", "sb_secret_", _URL, 31, 41),
    ("planetscale-token", "pscale_tkn_ pscale_pw_ pscale_oauth_", "A-Za-z0-9_=.-", 32, 64),
    ("buildkite-token", "bkua_ bkct_", _HEX, 40, None),
    ("sonarqube-token", "sqp_ squ_ sqa_", _HEX, 40, None),
    ("contentful-token", "CFPAT-", _URL, 43, None),
    ("adafruit-key", "aio_", _AN, 28, None),
    ("alibaba-access-key", "LTAI", _AN, 20, None),
    ("tencent-secret-id", "AKID", _AN, 32, None),
    ("shippo-token", "shippo_live_ shippo_test_", _HEX, 40, None),
    ("easypost-key", "EZAK EZTK", _AN, 54, None),
    ("duffel-token", "duffel_live_ duffel_test_", _URL, 43, None),
    ("frameio-token", "fio-u-", _URL, 64, None),
    ("typeform-token", "tfp_", "A-Za-z0-9_.-", 40, 80),
    ("readme-key", "rdme_", _LOW, 70, None),
    ("prefect-key", "pnu_", _LOW, 36, None),
    ("infracost-key", "ico-", _AN, 32, None),
    ("clojars-token", "CLOJARS_", _LOW, 60, None),
    ("crates-token", "cio", _AN, 32, None),
    ("age-key", "AGE-SECRET-KEY-1", "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58, None),
    ("razorpay-key", "rzp_live_ rzp_test_", _AN, 14, None),
    ("flutterwave-key", "FLWSECK-", _AN, 32, 40),
    ("bitbucket-token", "ATBB", _AN, 32, None),
    ("e2b-key", "e2b_", _HEX, 40, None),
    ("posthog-key", "phx_", _AN, 43, 48),
    ("tavily-key", "tvly-", "A-Za-z0-9-", 32, 48),
    ("scalingo-token", "tk-us-", _URL, 48, None),
    ("facebook-token", "EAACEdEose0cBA", _AN, 20, 300),
    ("dropbox-token", "sl.u.", _URL, 130, 400),
    ("airtable-oauth", "oaa", _AN, 60, 80),
    ("nvidia-key", "nvapi-", _URL, 64, 70),
    ("fly-token", "fm2_ fm1r_ fm1a_", "A-Za-z0-9+/=", 100, 400),
    ("render-key", "rnd_", _AN, 28, 40),
    ("neon-key", "napi_", _LOW, 64, None),
    ("cloudinary-secret", "cloudinary://", "A-Za-z0-9:_@-", 30, 100),
)

_OPEN: tuple[tuple[str, str, str, int], ...] = (
    ("openai-key", "sk-proj- sk-svcacct- sk-admin- sk-None-", _URL, 20),
    ("anthropic-key", "sk-ant-api sk-ant-admin sk-ant-oat sk-ant-ort sk-ant-sid", _URL, 24),
    ("google-access-token", "ya29.", _URL, 30),
    ("slack-token", "xoxb- xoxp- xoxa- xoxr- xoxs- xoxo- xoxc- xoxd- xoxe-", "A-Za-z0-9%-", 20),
    ("slack-app-token", "xapp-", "A-Za-z0-9-", 24),
    ("slack-refresh-token", "xoxe.xoxp- xoxe.xoxb-", "A-Za-z0-9-", 20),
    ("pypi-token", "pypi-AgEIcHlwaS5vcmc pypi-AgENdGVzdC5weXBpLm9yZw", _URL, 50),
    ("vault-token", "hvs. hvb. hvr.", _URL, 24),
    ("sentry-org-token", "sntrys_", "A-Za-z0-9_+/=-", 40),
    ("grafana-cloud-token", "glc_", "A-Za-z0-9+/=", 32),
    ("atlassian-token", "ATATT3 ATCTT3", "A-Za-z0-9_=-", 60),
    ("circleci-token", "CCIPAT_", "A-Za-z0-9_", 40),
    ("pinecone-key", "pcsk_", "A-Za-z0-9_", 40),
    ("sourcegraph-token", "sgp_", "a-fA-F0-9_", 40),
    ("aws-bedrock-key", "ABSK", "A-Za-z0-9+/=", 109),
    ("onepassword-token", "ops_eyJ", "A-Za-z0-9+/=_-", 100),
    ("twitter-bearer", "AAAAAAAAAAAAAAAAAAAAA", "A-Za-z0-9%", 60),
    ("yandex-key", "AQVN", _URL, 35),
    ("wandb-key", "wandb_v1_", "A-Za-z0-9_", 30),
    ("mapbox-token", "sk.eyJ", "A-Za-z0-9_.-", 60),
)


def _shape(kind: str, regex: str, trigger: str, back: int, skip: int = 0) -> Pattern:
    """A format with more than one part; the stand-in test leaves out its first `skip` characters."""

    def check(text: str, start: int, end: int) -> int:
        return end if lifelike(text[start + skip : end]) else NO

    return Pattern("secrets", kind, f"{BEFORE}{regex}{AFTER}", trigger, back, check)


_SHAPES: tuple[Pattern, ...] = (
    _shape("sendgrid-key", rf"SG\.[{_URL}]{{22}}\.[{_URL}]{{43}}", rf"SG\.[{_URL}]{{22}}\.", 26, 3),
    _shape("mailchimp-key", rf"[{_HEX}]{{32}}-us[0-9]{{1,2}}", rf"[{_HEX}]{{32}}-us[0-9]", 36),
    _shape(
        "slack-webhook",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/]{36,80}",
        r"hooks\.slack\.com/",
        16,
        24,
    ),
    _shape(
        "discord-webhook",
        rf"discord(?:app)?\.com/api/webhooks/[0-9]{{17,20}}/[{_URL}]{{60,80}}",
        r"com/api/webhooks/",
        28,
        25,
    ),
    _shape(
        "teams-webhook",
        r"[a-z0-9-]{1,60}\.webhook\.office\.com/webhookb2/[A-Za-z0-9@/-]{60,200}",
        r"\.webhook\.office\.com/w",
        84,
        30,
    ),
    _shape(
        "discord-token",
        rf"[MNO][{_URL}]{{23,25}}\.[{_URL}]{{6}}\.[{_URL}]{{27,38}}",
        rf"[MNO][{_URL}]{{23,25}}\.[{_URL}]{{6}}\.",
        35,
    ),
    _shape("telegram-token", rf"[0-9]{{8,10}}:AA[{_URL}]{{33}}", rf"[0-9]{{8}}:AA[{_URL}]{{6}}", 20),
    _shape("azure-client-secret", r"[A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}", r"[0-9]Q~[A-Za-z0-9_~.-]{6}", 12),
    _shape("azure-devops-token", rf"[{_AN}]{{76}}AZDO[{_AN}]{{4}}", r"AZDO", 80),
    _shape("amazon-mws-token", rf"amzn\.mws\.{_UUID}", r"amzn\.mws\.", 9, 9),
    _shape("airtable-token", rf"pat[{_AN}]{{14}}\.[{_HEX}]{{64}}", rf"pat[{_AN}]{{14}}\.", 18, 3),
    _shape("asana-token", rf"[12]/[0-9]{{16}}(?:/[0-9]{{16}})?:[{_HEX}]{{32}}", rf"[0-9]{{16}}:[{_HEX}]{{6}}", 42),
    _shape("terraform-token", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}", r"\.atlasv1\.", 23),
    _shape("postman-key", rf"PMAK-[{_HEX}]{{24}}-[{_HEX}]{{34}}", r"PMAK-", 5, 5),
    _shape(
        "doppler-token",
        r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9._-]{40,80}",
        r"dp\.(?:pt|st|ct|sa|scim|audit)\.",
        9,
        6,
    ),
    _shape(
        "onepassword-secret-key",
        r"A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}",
        r"A3-[A-Z0-9]{6}-",
        10,
        3,
    ),
    _shape("launchdarkly-key", rf"(?:sdk|api|mob)-{_UUID}", rf"(?:sdk|api|mob)-[{_HEX}]{{8}}-", 13, 4),
    _shape("hubspot-token", rf"pat-(?:na|eu)[0-9]-{_UUID}", r"pat-(?:na|eu)[0-9]-", 8, 8),
    _shape(
        "plaid-token",
        rf"access-(?:sandbox|development|production)-{_UUID}",
        r"access-(?:sandbox|development|production)-",
        19,
        15,
    ),
    _shape("brevo-key", rf"xkeysib-[{_HEX}]{{64}}-[{_AN}]{{16}}", r"xkeysib-", 8, 8),
    _shape("brevo-smtp-key", rf"xsmtpsib-[{_HEX}]{{64}}-[{_AN}]{{16}}", r"xsmtpsib-", 9, 9),
    _shape("resend-key", rf"re_[{_AN}]{{8}}_[{_AN}]{{24}}", rf"re_[{_AN}]{{8}}_", 12, 3),
    _shape(
        "braintree-token",
        rf"access_token\$(?:production|sandbox)\$[{_LOW}]{{16}}\$[{_HEX}]{{32}}",
        r"access_token\$",
        13,
        24,
    ),
    _shape("langsmith-key", rf"lsv2_(?:pt|sk)_[{_HEX}]{{32}}_[{_HEX}]{{10}}", r"lsv2_", 5, 8),
    _shape("langfuse-key", rf"sk-lf-{_UUID}", r"sk-lf-", 6, 6),
    _shape("cloudflare-origin-key", rf"v1\.0-[{_HEX}]{{24}}-[{_HEX}]{{146}}", rf"v1\.0-[{_HEX}]{{6}}", 11, 5),
    _shape("lob-key", rf"(?:live|test)_[{_HEX}]{{35}}", rf"(?:live|test)_[{_HEX}]{{6}}", 11, 5),
    _shape("openai-legacy-key", rf"sk-[{_AN}]{{20}}T3BlbkFJ[{_AN}]{{20}}", r"T3BlbkFJ", 31, 3),
    _shape("azure-sas-signature", r"sig=[A-Za-z0-9%+/]{43,70}(?:%3D|=)?", r"sig=[A-Za-z0-9%+/]{6}", 10, 4),
    _shape("okta-token", rf"SSWS 00[{_URL}]{{40}}", r"SSWS 00", 7, 7),
    _shape("snowflake-token", r"ver:[0-9]-hint:[0-9]{4,20}-ETMsDgAAA[A-Za-z0-9+/=]{40,400}", r"ETMsDgAAA", 48, 20),
)


def _all() -> tuple[Pattern, ...]:
    found = [
        p for kind, prefixes, abc, least, most in _FIXED for p in tokens("secrets", kind, prefixes, abc, least, most)
    ]
    found += [
        p for kind, prefixes, abc, least in _OPEN for p in tokens("secrets", kind, prefixes, abc, least, open=True)
    ]
    return (*_SHAPES, *found)


VENDORS = _all()
