//! Dialect files that are refused: each fault with its exact line, its field, and what would be right. Beside them the
//! same edits one step less far, which are accepted.

use keymint_domain::dialect::{BUILT_IN, Dialect};

use crate::fixture::OPERATOR;

/// One edit of one file, and where and how it is refused.
struct Broken {
    file: &'static str,
    /// What stands in the file, and what stands there instead.
    edit: (&'static str, &'static str),
    /// Something that only the line at fault holds, after the edit.
    at: &'static str,
    field: &'static str,
    says: &'static str,
}

const fn broken(
    file: &'static str,
    edit: (&'static str, &'static str),
    at: &'static str,
    field: &'static str,
    says: &'static str,
) -> Broken {
    Broken { file, edit, at, field, says }
}

/// Scalars and tables around the schemes.
const HEAD: &[Broken] = &[
    broken("kspay", ("company = true", "company = 1"), "company = 1", "apps.requires_company", "expected a boolean"),
    broken("kspay", ("[apps]\n", "[apps]\nlogo = true\n"), "logo", "apps.logo", "unknown field"),
    broken("kspay", ("email = 2052", "email = 0"), "email = 0", "apps.unique.email", "nonzero"),
    broken("kspay", ("phone = 2054", "fax = 2054"), "fax", "apps.unique.fax", "unknown field"),
    broken("kpay", ("member = \"provider\"", "member = \"\""), "member = ", "providers.member", "member of the body"),
    broken("kpay", ("\"returnUrl\"\nroutes", "\"\"\nroutes"), "chosen_later", "providers.chosen_later_by", "member"),
    broken("kpay", ("\"MOOV_BEN\"", "\"MTN_MOMO_BEN\""), "\"MTN_MOMO_BEN\", \"MTN", "providers.values[1]", "twice"),
    broken("kpay", ("\"MOOV_BEN\"", "\"MOOV BEN\""), "MOOV BEN", "providers.values[1]", "letters, digits"),
    broken(
        "kpay",
        ("\"POST /api/v1/payments/init\", \"POST /api", "\"/init\", \"POST /api"),
        "/init",
        "providers.routes[0]",
        "METHOD",
    ),
    broken(
        "kpay",
        ("[\"provider_not_allowed\"]", "[]"),
        "[[errors.answer]]",
        "errors.answer",
        "`provider_not_allowed`",
    ),
    broken("razorpay", ("name = \"razorpay\"", "name = \"Razorpay\""), "name = \"R", "name", "lower-case letters"),
    broken("razorpay", ("name = \"razorpay\"", "name = \"razor-pay\""), "name = \"r", "name", "lower-case letters"),
    broken("razorpay", ("name = \"razorpay\"", "name = \"\""), "name = \"\"", "name", "1 to 32"),
    broken("razorpay", ("name = \"razorpay\"\n", ""), "# Razorpay:", "name", "missing field"),
    broken("razorpay", ("title = \"Razorpay\"\n", ""), "# Razorpay:", "title", "missing field"),
    broken("razorpay", ("title = \"Razorpay\"", "title = 7"), "title = 7", "title", "expected a string"),
    broken("razorpay", ("owner = \"merchant\"", "owner = \"team\""), "owner", "owner", "`app` or `merchant`"),
    broken("razorpay", ("active_max = 1", "active_max = 0"), "active_max", "active_max", "1 to 1000"),
    broken("razorpay", ("active_max = 1", "active_max = 1001"), "active_max", "active_max", "1 to 1000"),
    broken("razorpay", ("active_max = 1", "active_max = -1"), "active_max", "active_max", "expected u32"),
    broken("razorpay", ("active_max = 1", "active_max = \"1\""), "active_max", "active_max", "expected u32"),
    broken(
        "razorpay",
        ("active_max = 1", "active_max = 1\nactive_min = 1"),
        "active_min",
        "active_min",
        "unknown field",
    ),
    broken("razorpay", ("max = 1048576", "max = 0"), "body_bytes_max", "body_bytes_max", "1 to 16777216"),
    broken("razorpay", ("max = 1048576", "max = 16777217"), "body_bytes_max", "body_bytes_max", "1 to 16777216"),
    broken(
        "kwikpaisa",
        ("content_type = \"application/json\"", "content_type = \"\""),
        "content_type",
        "content_type",
        "application/json",
    ),
    broken(
        "razorpay",
        ("[environment]\ntest = \"test\"", "[environment]"),
        "[environment]",
        "environment.test",
        "missing",
    ),
    broken("razorpay", ("[environment]", "[environments]"), "[environments]", "environments", "unknown field"),
    broken("razorpay", ("\"rzp_{mode}_\"", "\"rzp_\""), "\"rzp_\"", "key_id.prefix", "{mode}"),
    broken("razorpay", ("\"rzp_{mode}_\"", "\"rzp:{mode}:\""), "\"rzp:", "key_id.prefix", "letters, digits"),
    broken("razorpay", ("\"rzp_{mode}_\"", "\"{mode}_räzp_\""), "räzp", "key_id.prefix", "letters, digits"),
    broken("razorpay", ("\"rzp_{mode}_\"", "\"rzp_{mode}_{env}\""), "{env}", "key_id.prefix", "letters, digits"),
    broken("razorpay", ("length = 14", "length = 13"), "length = 13", "key_id.length", "fewer than 80"),
    broken("razorpay", ("length = 14", "length = 129"), "length = 129", "key_id.length", "at most 128"),
    broken("kpay", ("length = 48", "length = 19"), "length = 19", "key_id.length", "fewer than 80"),
    broken(
        "keymint",
        ("checksum = \"crc32\"", "checksum = \"crc16\""),
        "crc16",
        "key_id.checksum",
        "`none` or `crc32`",
    ),
    broken("keymint", ("length = 32", "length = 33"), "derived = true", "key_id.derived", "at most 32"),
    broken("kpay", ("length = 48", "length = 48\nderived = true"), "derived", "key_id.derived", "base62"),
    broken("razorpay", ("length = 24", "length = 21"), "length = 21", "secret[0].length", "fewer than 128"),
    broken("razorpay", ("length = 24", "length = 257"), "length = 257", "secret[0].length", "at most 256"),
    broken(
        "razorpay",
        ("alphabet = \"base62\"\nlength = 24", "alphabet = \"hex\"\nlength = 31"),
        "= 31",
        "secret[0].length",
        "fewer than 128",
    ),
    broken(
        "razorpay",
        ("alphabet = \"base62\"\nlength = 24", "alphabet = \"base58\"\nlength = 24"),
        "base58",
        "secret[0].alphabet",
        "`base62` or `hex`",
    ),
    broken("kwikpaisa", ("\"sk_{mode}_\"", "\"sk {mode} \""), "\"sk ", "secret[0].prefix", "letters, digits"),
    broken("keymint", ("\"kms_{mode}_\"", "\"kms_\""), "\"kms_\"", "secret[0].prefix", "a scheme is `bearer`"),
    broken(
        "kpay",
        ("style = \"plugin\"", "style = \"documented\""),
        "style = \"documented\"\nprefix = \"\"",
        "secret[1].style",
        "stands twice",
    ),
    broken("razorpay", ("[[secret]]", "[secret]"), "[secret]", "secret", "expected a sequence"),
    broken(
        "razorpay",
        ("[0, 86400]", "[0, 2592001]"),
        "2592001",
        "roll.offered_seconds",
        "above roll.grace_seconds_max",
    ),
    broken("razorpay", ("[0, 86400]", "[0, -1]"), "[0, -1]", "roll.offered_seconds[1]", "expected u32"),
    broken("razorpay", ("max = 2592000", "max = 2592001"), "2592001", "roll.grace_seconds_max", "30 days"),
    broken(
        "razorpay",
        ("allowed_ips_max = 20", "allowed_ip_max = 20"),
        "allowed_ip_max",
        "restrictions.allowed_ip_max",
        "unknown field",
    ),
    broken(
        "razorpay",
        ("allowed_ips_max = 20\n", ""),
        "[restrictions]",
        "restrictions.allowed_ips_max",
        "missing field",
    ),
    broken("razorpay", ("[scopes.read_only]", "[scopes.\"read only\"]"), "read only", "scopes", "must be letters"),
    broken("razorpay", ("[\"GET\", \"HEAD\"]", "[\"get\"]"), "[\"get\"]", "scopes.read_only.methods", "upper case"),
    broken("kwikpaisa", ("\"/api/v3/pg\"", "\"/api/v3/pg/\""), "pg/", "scopes.pg.paths", "each behind a `/`"),
    broken("kwikpaisa", ("\"/api/v3/pg\"", "\"api/v3/pg\""), "\"api", "scopes.pg.paths", "each behind a `/`"),
    broken("kwikpaisa", ("\"/api/v3/pg\"", "\"/api/v3/%70g\""), "%70", "scopes.pg.paths", "each behind a `/`"),
    broken("kwikpaisa", ("\"/api/v3/pg\"", "\"/api/../pg\""), "..", "scopes.pg.paths", "each behind a `/`"),
];

/// The schemes and what they allow without a secret.
const SCHEMES: &[Broken] = &[
    broken(
        "razorpay",
        ("kind = \"basic\"", "kind = \"basic\"\nreplay = \"once\""),
        "replay",
        "scheme[0].replay",
        "no meaning",
    ),
    broken(
        "kwikpaisa",
        ("replay = \"once\"", "replay = \"never\""),
        "\"never\"",
        "scheme[0].replay",
        "`once` or `window`",
    ),
    broken("razorpay", ("kind = \"basic\"", "kind = \"oauth\""), "oauth", "scheme[0].kind", "`message_signature`"),
    broken("razorpay", ("[[scheme]]\nkind = \"basic\"", "[[scheme]]"), "[[scheme]]", "scheme[0].kind", "missing field"),
    broken("razorpay", ("kind = \"basic\"", "kind = \"bearer\""), "bearer", "scheme[0].kind", "key_id.derived"),
    broken(
        "razorpay",
        ("kind = \"basic\"", "kind = \"basic\"\nwindow_seconds = 300"),
        "window_seconds",
        "scheme[0].window_seconds",
        "no meaning",
    ),
    broken(
        "razorpay",
        ("kind = \"basic\"", "kind = \"basic\"\nrealm = \"x\""),
        "realm",
        "scheme[0].realm",
        "unknown field",
    ),
    broken(
        "kpay",
        ("[[scheme]]\nkind = \"key_pair\"\nkey_id_header = \"x-api-key\"", "[[scheme]]\nkind = \"key_pair\""),
        "[[scheme]]\nkind = \"key_pair\"",
        "scheme[0].key_id_header",
        "missing",
    ),
    broken(
        "kwikpaisa",
        ("window_seconds = 300", "window_seconds = 301"),
        "301",
        "scheme[0].window_seconds",
        "1 to 300",
    ),
    broken(
        "kwikpaisa",
        ("window_seconds = 300", "window_seconds = 0"),
        "seconds = 0",
        "scheme[0].window_seconds",
        "1 to 300",
    ),
    broken(
        "kwikpaisa",
        ("window_seconds = 300", "window_seconds = \"5m\""),
        "5m",
        "scheme[0].window_seconds",
        "expected i64",
    ),
    broken(
        "keymint",
        ("window_seconds = 300", "window_seconds = 3600"),
        "3600",
        "scheme[1].window_seconds",
        "1 to 300",
    ),
    broken("kwikpaisa", ("\"x-api-key\"", "\"X-API-KEY\""), "X-API-KEY\"", "scheme[0].key_id_header", "lower case"),
    broken(
        "kwikpaisa",
        ("\"x-api-key\"", "\"x_api_key\""),
        "x_api_key",
        "scheme[0].key_id_header",
        "letters, digits, `-`",
    ),
    broken(
        "kwikpaisa",
        ("\"x-signature\"", "\"x-signature:\""),
        "x-signature:",
        "scheme[0].signature_header",
        "lower case",
    ),
    broken(
        "kspay",
        ("packed_header = \"x-signature\"", "packed_header = \"\""),
        "packed_header",
        "scheme[1].packed_header",
        "lower case",
    ),
    broken(
        "kspay",
        ("packed_header = \"x-signature\"", "packed_header = \"x-signature\"\nkey_id_header = \"x-key\""),
        "[[scheme]]\nkind = \"signed\"",
        "scheme[1]",
        "`packed_header` alone",
    ),
    broken(
        "kwikpaisa",
        ("parts = [\"body\", \"timestamp\"]", "parts = [\"timestamp\"]"),
        "parts",
        "scheme[0].recipe.parts",
        "T5",
    ),
    broken(
        "kwikpaisa",
        ("parts = [\"body\", \"timestamp\"]", "parts = [\"body\"]"),
        "parts",
        "scheme[0].recipe.parts",
        "T4",
    ),
    broken(
        "kwikpaisa",
        ("parts = [\"body\", \"timestamp\"]", "parts = [\"body\", \"timestamp\", \"host\"]"),
        "host",
        "scheme[0].recipe.parts[2]",
        "`key_id`",
    ),
    broken(
        "kwikpaisa",
        ("[\"body\", \"timestamp\"]", "[\"timestamp\", \"path\", \"query\", { literal = \"\\n\" }, \"body\"]"),
        "parts",
        "scheme[0].recipe.parts",
        "T3",
    ),
    broken(
        "kwikpaisa",
        ("[\"body\", \"timestamp\"]", "[\"query\", \"timestamp\", \"body\"]"),
        "parts",
        "scheme[0].recipe.parts",
        "T3",
    ),
    broken(
        "kwikpaisa",
        ("[\"body\", \"timestamp\"]", "[\"path\", { literal = \".\" }, \"body\", \"timestamp\"]"),
        "parts",
        "scheme[0].recipe.parts",
        "T3",
    ),
    broken(
        "kwikpaisa",
        ("[\"body\", \"timestamp\"]", "[\"body\", { literal = \"\\n\" }, \"path\", \"timestamp\"]"),
        "parts",
        "scheme[0].recipe.parts",
        "the body last",
    ),
    broken(
        "acmepay",
        ("\"path\", { literal = \"\\n\" }, \"query\"", "\"path\", { literal = \"&\" }, \"query\""),
        "parts",
        "scheme[0].recipe.parts",
        "T3",
    ),
    broken("kwikpaisa", ("\"hmac-sha256\"", "\"hmac-sha1\""), "hmac-sha1", "scheme[0].recipe.digest", "hmac-sha512"),
    broken("kwikpaisa", ("\"hmac-sha256\"", "\"none\""), "digest", "scheme[0].recipe.digest", "hmac-sha256"),
    broken("kwikpaisa", ("encoding = \"hex\"", "encoding = \"HEX\""), "HEX", "scheme[0].recipe.encoding", "`base64`"),
    broken(
        "kwikpaisa",
        ("    { sort = \"none\" },", "    { sort = \"no\" },"),
        "\"no\"",
        "scheme[0].recipe.forms[9].sort",
        "`recursive`",
    ),
    broken(
        "kwikpaisa",
        ("    { sort = \"none\" },", "    { order = \"none\" },"),
        "{ order",
        "scheme[0].recipe.forms[9].order",
        "unknown field",
    ),
    broken(
        "kwikpaisa",
        ("    { sort = \"none\" },", "    {}, {}, {}, {},"),
        "forms = [",
        "scheme[0].recipe.forms",
        "at most 12",
    ),
    broken(
        "kwikpaisa",
        ("canonical_bytes_max = 65536\n", ""),
        "[scheme.recipe]",
        "scheme[0].recipe.canonical_bytes_max",
        "missing",
    ),
    broken(
        "kspay",
        ("\"POST /transaction/initiate\"", "\"POST transaction\""),
        "POST transaction",
        "scheme[1].routes[0]",
        "METHOD /path",
    ),
    broken(
        "kspay",
        ("\"POST /transaction/initiate\"", "\"/transaction/initiate\""),
        "[\"/trans",
        "scheme[1].routes[0]",
        "METHOD /path",
    ),
    broken(
        "kspay",
        ("\"POST /transaction/initiate\"", "\"POST /transaction/%69nitiate\""),
        "%69",
        "scheme[1].routes[0]",
        "METHOD /path",
    ),
    broken(
        "kspay",
        ("\"POST /transaction/initiate\"", "\"POST /transaction//initiate\""),
        "//initiate",
        "scheme[1].routes[0]",
        "METHOD /path",
    ),
    broken(
        "kspay",
        ("\"POST /transaction/initiate\"", "\"POST /transaction/initiate?x=1\""),
        "?x=1",
        "scheme[1].routes[0]",
        "METHOD /path",
    ),
    broken(
        "kspay",
        ("\"POST /auth/refresh-token\"", "\"post /auth/refresh-token\""),
        "post /auth",
        "scheme[0].refresh_route",
        "METHOD /path",
    ),
    broken("kspay", ("token/{app_id}", "token/{}"), "token/{}", "scheme[0].exchange_route", "METHOD /path"),
    broken(
        "kspay",
        ("secret_field = \"secretKey\"\n", ""),
        "credentials = \"body\"",
        "scheme[0].credentials",
        "`secret_field`",
    ),
    broken(
        "kspay",
        ("key_id_fields = [\"accessKey\", \"accesskey\"]", "key_id_fields = []"),
        "credentials = \"body\"",
        "scheme[0].credentials",
        "`key_id_fields`",
    ),
    broken(
        "kspay",
        ("access_seconds = 900", "access_seconds = 0"),
        "access_seconds",
        "scheme[0].access_seconds",
        "at least 1",
    ),
    broken(
        "kspay",
        ("refresh_seconds = 86400", "refresh_seconds = 899"),
        "access_seconds = 900",
        "scheme[0].access_seconds",
        "at most `refresh_seconds`",
    ),
    broken("kspay", ("status = 201\nanswer", "status = 401\nanswer"), "status = 401", "scheme[0].status", "200 to 299"),
    broken("kspay", ("{{refresh_token}}", "{{refreshToken}}"), "{{refreshToken}}", "scheme[0].answer", "refresh_token"),
    broken(
        "kspay",
        ("{{refresh_token}}}}'", "{{refresh_token}}'"),
        "{{refresh_token}}",
        "scheme[0].answer",
        "not JSON",
    ),
    broken(
        "kpay",
        ("kind = \"key_pair\"\nkey_id_header = \"x-api-key\"\nsecret_header = \"x-secret-key\"", "kind = \"basic\""),
        "credentials = \"key_pair\"",
        "scheme[1].credentials",
        "no scheme of that kind",
    ),
    broken("razorpay", ("\"GET /v1/methods\"", "\"get /v1/methods\""), "get /v1", "public.routes[0]", "METHOD /path"),
    broken("kspay", ("header = \"x-access-key\"\n", ""), "[public]", "public.header", "no scheme here is `basic`"),
    broken(
        "kspay",
        ("\"x-access-key\"", "\"x-signature\""),
        "header = \"x-signature\"\nroutes",
        "public.header",
        "half of a pair",
    ),
];

/// The answers, and text that is no TOML.
const ERRORS: &[Broken] = &[
    broken("razorpay", ("envelope = '{\"error\"", "envelope = '\"error\""), "envelope", "errors.envelope", "not JSON"),
    broken("razorpay", ("{{message}}", "{{words}}"), "envelope", "errors.envelope", "`{{words}}`"),
    broken("razorpay", ("{{message}}", "{{message}"), "envelope", "errors.envelope", "not JSON"),
    broken("razorpay", ("{{message}}", "\"{{message}}\""), "envelope", "errors.envelope", "without quotes"),
    broken("razorpay", ("{{message}}", "7{{message}}"), "envelope", "errors.envelope", "without quotes"),
    broken("razorpay", ("{{message}}}}'", "{{message'"), "envelope", "errors.envelope", "has no `}}`"),
    broken(
        "razorpay",
        ("content_type = \"application/json\"", "content_type = \"a\\nb\""),
        "content_type",
        "errors.content_type",
        "must be a content type",
    ),
    broken(
        "razorpay",
        ("reasons = [\"internal\"]", "reasons = []"),
        "[[errors.answer]]",
        "errors.answer",
        "no answer for the reason `internal`",
    ),
    broken(
        "razorpay",
        ("reasons = [\"internal\"]", "reasons = [\"internal\", \"revoked\"]"),
        "\"internal\", \"revoked\"",
        "errors.answer[14].reasons",
        "`revoked` a second time",
    ),
    broken(
        "razorpay",
        ("reasons = [\"internal\"]", "reasons = [\"oops\"]"),
        "oops",
        "errors.answer[14].reasons[0]",
        "`no_upstream`",
    ),
    broken(
        "razorpay",
        ("reasons = [\"internal\"]\nstatus = 500", "reasons = [\"internal\"]\nstatus = 200"),
        "status = 200",
        "errors.answer[14].status",
        "400 to 599",
    ),
    broken(
        "razorpay",
        ("reasons = [\"internal\"]\nstatus = 500", "reasons = [\"internal\"]\nstatus = 600"),
        "status = 600",
        "errors.answer[14].status",
        "400 to 599",
    ),
    broken(
        "razorpay",
        (
            "reasons = [\"internal\"]\nstatus = 500\ncode = \"SERVER_ERROR\"",
            "reasons = [\"internal\"]\nstatus = 500\ncode = [1]",
        ),
        "[1]",
        "errors.answer[14].code",
        "a text or a whole number",
    ),
    broken("kspay", ("scheme = \"signed\"", "scheme = \"sign\""), "\"sign\"", "errors.answer[0].scheme", "`signed`"),
    broken("razorpay", ("[errors]", "[errors"), "[errors", "the file", "expected"),
    broken("razorpay", ("name = \"razorpay\"", "name = \"razorpay"), "name", "the file", "expected"),
    broken("razorpay", ("name = \"razorpay\"", "name = razorpay"), "name", "the file", "quoted"),
    broken("razorpay", ("title = \"Razorpay\"", "name = \"other\""), "name = \"other\"", "the file", "duplicate key"),
    broken("razorpay", ("title = \"Razorpay\"", "title = \"Razorpay\"\n'' = 1"), "'' = 1", "the file", "unknown field"),
];

fn text_of(name: &str) -> &'static str {
    let file = format!("{name}.toml");
    BUILT_IN.iter().find(|(found, _)| **found == file).map_or(OPERATOR, |(_, text)| text)
}

fn edited(name: &str, (from, to): (&str, &str)) -> String {
    let text = text_of(name);
    assert!(text.contains(from), "{name} has no {from:?}");
    text.replacen(from, to, 1)
}

/// The line of the first occurrence of `at`, counted from 1.
fn line_of(text: &str, at: &str) -> usize {
    let offset = text.find(at).unwrap_or_else(|| panic!("{at:?} is not there"));
    text[..offset].matches('\n').count() + 1
}

#[test]
fn every_broken_file_is_refused_with_its_line_and_field() {
    let mut faults = Vec::new();
    for broken in HEAD.iter().chain(SCHEMES).chain(ERRORS) {
        let text = edited(broken.file, broken.edit);
        let line = line_of(&text, broken.at);
        match Dialect::parse(&text) {
            Ok(_) => faults.push(format!("{}: {:?} was accepted", broken.file, broken.edit.1)),
            Err(error) => {
                let is_right = error.line == line && error.field == broken.field && error.problem.contains(broken.says);
                if !is_right {
                    faults.push(format!("{}: line {line} and `{}`, not {error}", broken.file, broken.field));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The same places, one step less far.
#[test]
fn the_neighbours_of_the_faults_are_accepted() {
    for (file, edit) in [
        ("razorpay", ("name = \"razorpay\"", "name = \"razorpay2\"")),
        ("razorpay", ("active_max = 1", "active_max = 1000")),
        ("razorpay", ("max = 1048576", "max = 16777216")),
        ("razorpay", ("max = 1048576", "max = 1")),
        ("razorpay", ("\"rzp_{mode}_\"", "\"{mode}\"")),
        ("razorpay", ("length = 14", "length = 128")),
        ("kpay", ("length = 48", "length = 20")),
        ("razorpay", ("length = 24", "length = 22")),
        ("razorpay", ("length = 24", "length = 256")),
        ("razorpay", ("alphabet = \"base62\"\nlength = 24", "alphabet = \"hex\"\nlength = 32")),
        ("keymint", ("length = 32", "length = 31")),
        ("razorpay", ("[0, 86400]", "[0, 2592000]")),
        ("kwikpaisa", ("window_seconds = 300", "window_seconds = 1")),
        ("kwikpaisa", ("    { sort = \"none\" },", "    {}, {}, {},")),
        ("kspay", ("refresh_seconds = 86400", "refresh_seconds = 900")),
        ("kspay", ("access_seconds = 900", "access_seconds = 1")),
        ("kspay", ("POST /transaction/initiate", "POST /")),
        (
            "kwikpaisa",
            (
                "[\"body\", \"timestamp\"]",
                "[\"path\", { literal = \"?\" }, \"query\", { literal = \"\\n\" }, \"timestamp\", \"body\"]",
            ),
        ),
        ("razorpay", ("reasons = [\"internal\"]\nstatus = 500", "reasons = [\"internal\"]\nstatus = 599")),
        (
            "razorpay",
            (
                "reasons = [\"internal\"]\nstatus = 500\ncode = \"SERVER_ERROR\"",
                "reasons = [\"internal\"]\nstatus = 500\ncode = -1",
            ),
        ),
    ] {
        let text = edited(file, edit);
        Dialect::parse(&text).unwrap_or_else(|error| panic!("{file}: {:?}: {error}", edit.1));
    }
}

#[test]
fn a_dialect_with_more_headers_than_the_gate_can_count_is_refused() {
    let pair = |number: usize| {
        format!("[[scheme]]\nkind = \"key_pair\"\nkey_id_header = \"h-{number}\"\nsecret_header = \"s-{number}\"\n")
    };
    let with = |count: usize| {
        let pairs: String = (0..count).map(pair).collect();
        Dialect::parse(
            &text_of("razorpay")
                .replace("[[scheme]]\nkind = \"basic\"\n\n[public]\nroutes = [\"GET /v1/methods\"]\n", &pairs),
        )
    };
    assert_eq!(with(16).expect("32 headers").extra_credential_headers.len(), 32);
    let error = with(17).expect_err("34 headers");
    assert_eq!(error.field, "scheme");
    assert!(error.problem.contains("32 headers"), "{error}");
}

#[test]
fn no_scheme_at_all_is_refused() {
    let text = text_of("razorpay").replace("[[scheme]]\nkind = \"basic\"\n", "").replace("[public]", "[x]");
    let text = format!("scheme = []\n{}", text.replace("[x]\nroutes = [\"GET /v1/methods\"]\n", ""));
    let error = Dialect::parse(&text).expect_err("no scheme");
    assert_eq!((error.line, error.field.as_str(), error.problem.as_str()), (1, "scheme", "needs at least one"));
}

#[test]
fn an_error_says_line_field_and_problem_in_one_sentence() {
    let error = Dialect::parse(&edited("kwikpaisa", ("window_seconds = 300", "window_seconds = 301")));
    let line = line_of(text_of("kwikpaisa"), "window_seconds");
    let expected = format!("line {line}, field `scheme[0].window_seconds`: must be 1 to 300");
    assert_eq!(error.expect_err("a window too long").to_string(), expected);
}

#[test]
fn every_prefix_of_a_file_is_refused_and_never_panics() {
    for (file, text) in BUILT_IN {
        // The last line is the message of the last answer; without it the reason `internal` has no answer.
        let end = text.trim_end().rfind('\n').expect("several lines");
        for cut in (0..end).filter(|cut| text.is_char_boundary(*cut)).step_by(7) {
            assert!(Dialect::parse(&text[..cut]).is_err(), "{file} cut at {cut}");
        }
    }
}
