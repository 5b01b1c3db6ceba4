//! Canonical JSON against the vendors' vectors and against what PHP 8.2, Python 3.11 and Node 20 printed for odd input.

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use keymint_domain::json::{
    DEPTH_MAX, Document, EmptyObject, Form, JsonError, Separators, Slash, Sort, Strings, VALUES_MAX,
};

const SECRET: &[u8] = b"sk_test_0123456789abcdef";
const TIMESTAMP: &str = "1778659835";

const AS_RECEIVED: Form = Form {
    sort: Sort::None,
    strings: Strings::Raw,
    slash: Slash::Raw,
    separators: Separators::Compact,
    empty_object: EmptyObject::Braces,
};
const SHALLOW: Form = Form { sort: Sort::Shallow, ..AS_RECEIVED };
const RECURSIVE: Form = Form { sort: Sort::Recursive, ..AS_RECEIVED };
const PHP_SLASHES_RAW: Form = Form { strings: Strings::AsciiEscaped, ..RECURSIVE };
const PHP_DEFAULT: Form = Form { slash: Slash::Escaped, ..PHP_SLASHES_RAW };
const PYTHON_DEFAULT: Form =
    Form { strings: Strings::AsciiAndDeleteEscaped, separators: Separators::Spaced, ..RECURSIVE };

/// The nested payload of the fact sheet, section 1.4, in an order that no form keeps.
const ORDER: &str = concat!(
    r#"{ "return_url": "https://m.example/r?a=1", "order_id": "INV\/1", "order_amount": "105.00","#,
    r#" "customer": {"phone":"9999999999","name":"Zo\u00EB","email":"z@example.com"} }"#
);

fn written(body: &str, form: Form) -> String {
    let mut out = Vec::new();
    Document::parse(body.as_bytes()).expect("the body is valid").write(&form, &mut out);
    String::from_utf8(out).expect("forms are UTF-8")
}

fn refusal(body: impl AsRef<[u8]>) -> JsonError {
    Document::parse(body.as_ref()).expect_err("the body must be refused")
}

fn tag(payload: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    HEXLOWER.encode(hmac::sign(&key, format!("{payload}{TIMESTAMP}").as_bytes()).as_ref())
}

fn signature(body: &str, form: Form) -> String {
    tag(&written(body, form))
}

#[test]
fn documented_example_has_the_vector_of_the_fact_sheet() {
    let expected = "ec0a00340f0ebcda7ae903b08c8e98fd582cf4716119a79091bd1f5fc16e0d54";
    let body = r#"{"order_id":"123456","amount":"100"}"#;
    assert_eq!(written(body, RECURSIVE), r#"{"amount":"100","order_id":"123456"}"#);
    for form in [RECURSIVE, SHALLOW, PHP_DEFAULT] {
        assert_eq!(signature(body, form), expected);
    }
    assert_ne!(signature(body, AS_RECEIVED), expected, "the keys have to be sorted");
    assert_ne!(signature(body, PYTHON_DEFAULT), expected, "the separators count");
    for neighbour in [
        r#"{"order_id":"123456","amount":100}"#,
        r#"{"order_id":"123457","amount":"100"}"#,
        r#"{"order_id":"123456","amount":"100","a":null}"#,
        r#"{"order_id":"123456","Amount":"100"}"#,
        r#"{"order_id":"123456"}"#,
        r#"[{"order_id":"123456","amount":"100"}]"#,
    ] {
        assert_ne!(signature(neighbour, RECURSIVE), expected, "{neighbour}");
    }
}

#[test]
fn nested_example_has_one_vector_per_form_and_no_other_form_gives_it() {
    let vectors = [
        (RECURSIVE, "c5880ccaf0e148ee1f547be463b93b57d462c4b4d11701050762fe9b6f7d6bbd"),
        (SHALLOW, "78f77ba2d5b31cabaffd1e3762fdd8481fb299acd478ee72edd3078f2e923e79"),
        (PHP_SLASHES_RAW, "e2ab2a0f265e7e567ef61e70839468887d1cbc8985ff9f0d2d1f310b3a0b94f3"),
        (PHP_DEFAULT, "a7fe223bad52efeac5e0067651dec9ed8df22634282e42e8fc64c168075ebae0"),
        (PYTHON_DEFAULT, "3d7077f96d5b8cb40cedfd4edcf6c937cba2731bd806bcbb5737e33279ff224d"),
    ];
    for (form, expected) in vectors {
        assert_eq!(signature(ORDER, form), expected, "{form:?}");
        for (other, _) in vectors {
            assert_eq!(signature(ORDER, other) == expected, form == other, "{form:?} against {other:?}");
        }
        for (from, to) in [("105.00", "105.01"), ("INV", "INw"), ("\\u00EB", "e"), ("email", "Email"), ("r?a", "r?b")] {
            assert_ne!(signature(&ORDER.replace(from, to), form), expected, "{from} became {to}");
        }
    }
}

#[test]
fn nested_example_is_written_as_each_vendor_sample_prints_it() {
    assert_eq!(
        written(ORDER, PHP_DEFAULT),
        concat!(
            r#"{"customer":{"email":"z@example.com","name":"Zo\u00eb","phone":"9999999999"},"order_amount":"105.00","#,
            r#""order_id":"INV\/1","return_url":"https:\/\/m.example\/r?a=1"}"#
        )
    );
    assert_eq!(
        written(ORDER, PYTHON_DEFAULT),
        concat!(
            r#"{"customer": {"email": "z@example.com", "name": "Zo\u00eb", "phone": "9999999999"}, "#,
            r#""order_amount": "105.00", "order_id": "INV/1", "return_url": "https://m.example/r?a=1"}"#
        )
    );
    assert_eq!(
        written(ORDER, SHALLOW),
        concat!(
            r#"{"customer":{"phone":"9999999999","name":"Zoë","email":"z@example.com"},"order_amount":"105.00","#,
            r#""order_id":"INV/1","return_url":"https://m.example/r?a=1"}"#
        )
    );
}

#[test]
fn empty_payloads_have_the_vectors_of_the_fact_sheet() {
    assert_eq!(refusal(""), JsonError::UnexpectedEnd { at: 0 }, "an empty body is no document; its text is empty");
    assert_eq!(tag(""), "301f51af337ecf24a7afe3492e9306b9e6bcef0c6d9cf3b89c2f5a625d01ecac");
    let object = "894acc68f2bcc571e9991a2433f4c7f5ab6c9a242162e4ac7f04505a28978f3a";
    let list = "89142da2d11a1d582d8d2de04710e19ded465ec6322dc519ddf9d963a411fe94";
    assert_eq!(signature("{ }", RECURSIVE), object);
    assert_eq!(signature("{}", SHALLOW), object);
    assert_eq!(signature("[ ]", RECURSIVE), list);
    assert_eq!(signature("[]", AS_RECEIVED), list);
    assert_eq!(signature("[]", SHALLOW), object, "Object.keys of an array makes an object of it");
    assert_eq!(signature("{}", Form { empty_object: EmptyObject::Brackets, ..RECURSIVE }), list);
    assert_ne!(signature("[[]]", RECURSIVE), list);
    assert_ne!(signature("{\"\":0}", RECURSIVE), object);
}

#[test]
fn webhook_payload_has_one_vector_as_sent_and_another_when_sorted() {
    let body = concat!(
        r#"{"event":"payment.success","data":{"order_id":"6116229263036","amount":"105.00","#,
        r#""currency":"INR","status":"PAID"}}"#
    );
    let as_sent = "ded857f895803e893ee98f7c693c257a3fdcca9ce0c6d9c2d72092a59e13bc31";
    let sorted = "29823c6f72c3ef0c5ec43d3216e986ce523ff516e30ac45575dc059f50662270";
    assert_eq!(written(body, AS_RECEIVED), body);
    assert_eq!(signature(body, AS_RECEIVED), as_sent);
    assert_eq!(signature(body, RECURSIVE), sorted);
    assert_ne!(signature(body, SHALLOW), sorted);
    assert_ne!(signature(&body.replace("PAID", "PAIE"), AS_RECEIVED), as_sent);
    assert_ne!(signature(&body.replace("PAID", "PAIE"), RECURSIVE), sorted);
}

/// What each language printed for the same string: DEL, the line separators, an emoji, ë, a solidus, a quote, a
/// backslash, the control characters, U+0080, U+FFFF, and characters that HTML-safe encoders would escape.
#[test]
fn odd_characters_are_escaped_as_php_python_and_node_escape_them() {
    let body = concat!(
        r#""\u007F|\u2028|\u2029|\uD83D\uDE00|\u00EB|\/|\"|\\|\u0000|\u0001|\u0008|\u0009|\u000A|\u000B|\u000C|"#,
        r#"\u000D|\u001F|\u0080|\uFFFF|'<>&""#
    );
    let ascii = r#"\"|\\|\u0000|\u0001|\b|\t|\n|\u000b|\f|\r|\u001f|"#;
    let strings = |strings| Form { strings, ..AS_RECEIVED };

    let raw = format!("\"\u{7f}|\u{2028}|\u{2029}|\u{1f600}|ë|/|{ascii}\u{80}|\u{ffff}|'<>&\"");
    assert_eq!(written(body, strings(Strings::Raw)), raw, "JSON.stringify; json.dumps with ensure_ascii=False");
    assert_eq!(written(body, SHALLOW), raw);

    let lines = format!("\"\u{7f}|\\u2028|\\u2029|\u{1f600}|ë|/|{ascii}\u{80}|\u{ffff}|'<>&\"");
    assert_eq!(
        written(body, strings(Strings::RawButLineSeparators)),
        lines,
        "json_encode with JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES"
    );

    let php = format!("\"\u{7f}|\\u2028|\\u2029|\\ud83d\\ude00|\\u00eb|\\/|{ascii}\\u0080|\\uffff|'<>&\"");
    assert_eq!(written(body, PHP_DEFAULT), php, "json_encode leaves U+007F alone");
    assert_eq!(written(body, PHP_SLASHES_RAW), php.replace("\\/", "/"));

    let python = format!("\"\\u007f|\\u2028|\\u2029|\\ud83d\\ude00|\\u00eb|/|{ascii}\\u0080|\\uffff|'<>&\"");
    assert_eq!(written(body, PYTHON_DEFAULT), python, "json.dumps escapes U+007F");
}

#[test]
fn keys_are_escaped_like_strings() {
    assert_eq!(written(r#"{"\u00eb/\"":1}"#, PHP_DEFAULT), r#"{"\u00eb\/\"":1}"#);
    assert_eq!(written(r#"{"\u00eb/\"":1}"#, RECURSIVE), r#"{"ë/\"":1}"#);
}

#[test]
fn numbers_keep_the_text_they_were_received_in() {
    let body = r#"{"a":105.00,"b":1e5,"c":-0,"d":-0.0,"e":12345678901234567890,"f":1E+05,"g":0.1e-7}"#;
    for form in [AS_RECEIVED, SHALLOW, RECURSIVE, PHP_DEFAULT] {
        assert_eq!(written(body, form), body);
    }
}

/// What Node 20 printed for `JSON.stringify(Object.keys(o).sort().reduce((a, k) => { a[k] = o[k]; return a }, {}))`.
#[test]
fn shallow_sort_orders_as_node_does() {
    let cases = [
        (
            r#"{"b":{},"a":[],"10":1,"9":2,"Z":3,"é":4,"\ud83d\ude00":5,"\uffff":6,"1e1":7,"":8,"neg":0,"s":0.1}"#,
            "{\"9\":2,\"10\":1,\"\":8,\"1e1\":7,\"Z\":3,\"a\":[],\"b\":{},\"neg\":0,\"s\":0.1,\"é\":4,\
             \"\u{1f600}\":5,\"\u{ffff}\":6}",
        ),
        (
            concat!(
                r#"{"b":1,"4294967295":1,"4294967294":2,"4294967296":3,"01":4,"-1":5,"#,
                r#""a":{"z":1,"2":2,"1":3,"4294967295":1,"4294967294":2}}"#
            ),
            concat!(
                r#"{"4294967294":2,"-1":5,"01":4,"4294967295":1,"4294967296":3,"#,
                r#""a":{"1":3,"2":2,"4294967294":2,"z":1,"4294967295":1},"b":1}"#
            ),
        ),
        (r#"{"b":1,"+5":2,"5":3," 6":4,"0":5,"00":6}"#, r#"{"0":5,"5":3," 6":4,"+5":2,"00":6,"b":1}"#),
        (r#"[1,[2]]"#, r#"{"0":1,"1":[2]}"#),
        (
            r#"{"99999999999":1,"9007199254740991":2,"3":1,"a":0}"#,
            r#"{"3":1,"9007199254740991":2,"99999999999":1,"a":0}"#,
        ),
        (r#"{"x":{"\uffff":2,"\ud83d\ude00":1}}"#, "{\"x\":{\"\u{ffff}\":2,\"\u{1f600}\":1}}"),
    ];
    for (body, expected) in cases {
        assert_eq!(written(body, SHALLOW), expected);
    }
}

#[test]
fn top_level_proto_is_never_dropped_although_node_drops_it() {
    let body = r#"{"a":1,"__proto__":{"x":1}}"#;
    assert_eq!(written(body, SHALLOW), r#"{"__proto__":{"x":1},"a":1}"#, "Node signs the document without it");
}

/// What Python 3.11 printed with `sort_keys=True`; PHP's `ksort` agrees but for numbers as keys.
#[test]
fn recursive_sort_orders_as_python_does() {
    assert_eq!(
        written(
            r#"{"b":{"y":[{"d":1,"c":2}],"x":0},"a":[],"10":1,"9":2,"Z":3,"é":4,"\ud83d\ude00":5,"\uffff":6,"":8}"#,
            RECURSIVE
        ),
        "{\"\":8,\"10\":1,\"9\":2,\"Z\":3,\"a\":[],\"b\":{\"x\":0,\"y\":[{\"c\":2,\"d\":1}]},\"é\":4,\"\u{ffff}\":6,\
         \"\u{1f600}\":5}"
    );
}

#[test]
fn spaces_follow_separators_but_stand_in_no_empty_container() {
    assert_eq!(written(r#"{"a":[1,2,{}],"b":[]}"#, PYTHON_DEFAULT), r#"{"a": [1, 2, {}], "b": []}"#);
}

#[test]
fn dialect_files_spell_forms_in_snake_case_and_may_leave_fields_out() {
    #[derive(serde::Deserialize)]
    struct Recipe {
        forms: Vec<Form>,
    }
    let text = r#"
        forms = [
            {},
            { sort = "shallow" },
            { sort = "recursive", strings = "ascii_escaped", slash = "escaped" },
            { sort = "recursive", strings = "ascii_and_delete_escaped", separators = "spaced" },
            { sort = "none", strings = "raw_but_line_separators", empty_object = "brackets" },
        ]
    "#;
    let recipe: Recipe = toml::from_str(text).expect("all spellings are known");
    let last = Form { strings: Strings::RawButLineSeparators, empty_object: EmptyObject::Brackets, ..Form::default() };
    assert_eq!(recipe.forms, [AS_RECEIVED, SHALLOW, PHP_DEFAULT, PYTHON_DEFAULT, last]);
    for bad in ["forms = [{ sorted = \"none\" }]", "forms = [{ sort = \"None\" }]", "forms = [{ slash = true }]"] {
        assert!(toml::from_str::<Recipe>(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_member_is_found_decoded_and_only_at_the_top_and_only_as_text() {
    let body = br#"{"access\u004bey":"a\/b","n":1,"o":{"inner":"x"}}"#;
    let document = Document::parse(body).expect("valid");
    assert_eq!(document.member("accessKey"), Some("a/b"));
    for name in ["n", "o", "inner", "accesskey", ""] {
        assert_eq!(document.member(name), None, "{name}");
    }
    assert_eq!(Document::parse(b"[\"accessKey\"]").expect("valid").member("accessKey"), None);
    assert_eq!(format!("{document:?}"), "Document(..)");
}

#[test]
fn keys_that_are_equal_after_decoding_are_refused() {
    assert_eq!(refusal(r#"{"a":1,"a":1}"#), JsonError::DuplicateKey { at: 7 });
    assert_eq!(refusal(r#"{"a":1,"b":2,"\u0061":1}"#), JsonError::DuplicateKey { at: 13 });
    assert_eq!(refusal(r#"[{"":1,"":1}]"#), JsonError::DuplicateKey { at: 7 });
    assert!(Document::parse(br#"{"a":{"a":1},"A":1,"a ":1}"#).is_ok());
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    assert_eq!(refusal(b"\"\xff\""), JsonError::InvalidUtf8 { at: 1 });
    assert_eq!(refusal(b"\"\xed\xa0\x80\""), JsonError::InvalidUtf8 { at: 1 }, "an encoded surrogate");
    assert_eq!(refusal(b"\"\xc0\xaf\""), JsonError::InvalidUtf8 { at: 1 }, "an overlong solidus");
    assert_eq!(refusal(b"\xef\xbb\xbf{}"), JsonError::ByteOrderMark);
    assert_eq!(refusal("{}\u{feff}"), JsonError::TrailingBytes { at: 2 });
}

#[test]
fn half_of_a_surrogate_pair_is_refused() {
    for body in [
        r#""\ud800""#,
        r#""\udc00""#,
        r#""\ud800x""#,
        r#""\ud800\n""#,
        r#""\ud800\ud800""#,
        r#""\ud83d\u0041""#,
        r#""\ud83d\ue000""#,
        r#""\ud83d\udbff""#,
    ] {
        assert_eq!(refusal(body), JsonError::LoneSurrogate { at: 1 }, "{body}");
    }
    assert_eq!(written(r#""\uD83d\uDe00""#, AS_RECEIVED), "\"\u{1f600}\"");
    assert_eq!(written(r#""\ud7ff\ue000\uffff\u0000""#, AS_RECEIVED), "\"\u{d7ff}\u{e000}\u{ffff}\\u0000\"");
}

#[test]
fn syntax_beyond_rfc_8259_is_refused() {
    let cases: &[(&str, JsonError)] = &[
        (" ", JsonError::UnexpectedEnd { at: 1 }),
        ("{", JsonError::UnexpectedEnd { at: 1 }),
        ("[1,", JsonError::UnexpectedEnd { at: 3 }),
        ("\"a", JsonError::UnexpectedEnd { at: 2 }),
        ("\"\\", JsonError::UnexpectedEnd { at: 2 }),
        ("\"\\u12", JsonError::UnexpectedEnd { at: 5 }),
        ("nul", JsonError::UnexpectedEnd { at: 3 }),
        ("[1,]", JsonError::UnexpectedByte { at: 3 }),
        ("[,1]", JsonError::UnexpectedByte { at: 1 }),
        ("[1 2]", JsonError::UnexpectedByte { at: 3 }),
        ("{\"a\":1,}", JsonError::UnexpectedByte { at: 7 }),
        ("{a:1}", JsonError::UnexpectedByte { at: 1 }),
        ("{'a':1}", JsonError::UnexpectedByte { at: 1 }),
        ("{\"a\"=1}", JsonError::UnexpectedByte { at: 4 }),
        ("{1:1}", JsonError::UnexpectedByte { at: 1 }),
        ("NaN", JsonError::UnexpectedByte { at: 0 }),
        ("True", JsonError::UnexpectedByte { at: 0 }),
        ("nulL", JsonError::UnexpectedByte { at: 3 }),
        ("/**/1", JsonError::UnexpectedByte { at: 0 }),
        ("\u{a0}1", JsonError::UnexpectedByte { at: 0 }),
        ("\u{c}1", JsonError::UnexpectedByte { at: 0 }),
        ("+1", JsonError::UnexpectedByte { at: 0 }),
        (".5", JsonError::UnexpectedByte { at: 0 }),
        ("-", JsonError::InvalidNumber { at: 1 }),
        ("01", JsonError::InvalidNumber { at: 1 }),
        ("-01", JsonError::InvalidNumber { at: 2 }),
        ("1.", JsonError::InvalidNumber { at: 2 }),
        ("1.e5", JsonError::InvalidNumber { at: 2 }),
        ("1e", JsonError::InvalidNumber { at: 2 }),
        ("1e+-5", JsonError::InvalidNumber { at: 3 }),
        ("1 1", JsonError::TrailingBytes { at: 2 }),
        ("1x", JsonError::TrailingBytes { at: 1 }),
        ("0x1", JsonError::TrailingBytes { at: 1 }),
        ("{}{}", JsonError::TrailingBytes { at: 2 }),
        ("{}\0", JsonError::TrailingBytes { at: 2 }),
        ("\"\n\"", JsonError::ControlCharacter { at: 1 }),
        ("\"a\0\"", JsonError::ControlCharacter { at: 2 }),
        ("\"\u{1f}\"", JsonError::ControlCharacter { at: 1 }),
        ("\"\\x41\"", JsonError::InvalidEscape { at: 1 }),
        ("\"\\'\"", JsonError::InvalidEscape { at: 1 }),
        ("\"\\U0041\"", JsonError::InvalidEscape { at: 1 }),
        ("\"\\u004g\"", JsonError::InvalidEscape { at: 1 }),
        ("\"\\u+041\"", JsonError::InvalidEscape { at: 1 }),
        ("\"\\é\"", JsonError::InvalidEscape { at: 1 }),
    ];
    for (body, expected) in cases {
        assert_eq!(refusal(body), *expected, "{body:?}");
    }
    for body in ["0", "-0", "-0.0e-0", "1E9", "null", "true", "false", "\"\"", "\t\r\n [] \n", "\"\u{7f}\""] {
        assert!(Document::parse(body.as_bytes()).is_ok(), "{body:?}");
    }
}

#[test]
fn nesting_ends_at_the_limit() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Document::parse(nested(DEPTH_MAX).as_bytes()).is_ok());
    assert_eq!(refusal(nested(DEPTH_MAX + 1)), JsonError::TooDeep { at: DEPTH_MAX });
    assert_eq!(refusal("[".repeat(1_000_000)), JsonError::TooDeep { at: DEPTH_MAX });
    let objects = format!("{}1{}", "{\"a\":".repeat(DEPTH_MAX + 1), "}".repeat(DEPTH_MAX + 1));
    assert_eq!(refusal(objects), JsonError::TooDeep { at: 5 * DEPTH_MAX });
}

#[test]
fn values_end_at_the_limit() {
    let list = |elements: usize| format!("[{}]", vec!["1"; elements].join(","));
    assert!(Document::parse(list(VALUES_MAX - 1).as_bytes()).is_ok(), "the list counts too");
    assert_eq!(refusal(list(VALUES_MAX)), JsonError::TooManyValues { at: 2 * VALUES_MAX - 1 });
}

/// A fixed sequence (SplitMix64), so that a failure repeats.
struct Sequence(u64);

impl Sequence {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).expect("small")).expect("small")
    }

    fn pick<'t>(&mut self, items: &[&'t str]) -> &'t str {
        items.get(self.below(items.len())).expect("below the length")
    }
}

fn compact_string(sequence: &mut Sequence, out: &mut String) {
    const PIECES: &[&str] = &[
        "a",
        "B",
        "9",
        "0",
        " ",
        "/",
        "ë",
        "\u{1f600}",
        "\u{7f}",
        "\u{2028}",
        "\\\"",
        "\\\\",
        "\\n",
        "\\u0000",
        "\\u001f",
    ];
    out.push('"');
    for _ in 0..sequence.below(6) {
        out.push_str(sequence.pick(PIECES));
    }
    out.push('"');
}

fn compact_value(sequence: &mut Sequence, depth: usize, out: &mut String) {
    const SCALARS: &[&str] = &["null", "true", "false", "0", "-0", "105.00", "1e5", "-1E+9", "12345678901234567890"];
    match sequence.below(if depth == 0 { 2 } else { 4 }) {
        0 => out.push_str(sequence.pick(SCALARS)),
        1 => compact_string(sequence, out),
        2 => {
            out.push('[');
            for index in 0..sequence.below(5) {
                out.push_str(if index == 0 { "" } else { "," });
                compact_value(sequence, depth - 1, out);
            }
            out.push(']');
        }
        _ => {
            let mut keys = Vec::new();
            for _ in 0..sequence.below(5) {
                let mut key = String::new();
                compact_string(sequence, &mut key);
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
            out.push('{');
            for (index, key) in keys.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                out.push_str(key);
                out.push(':');
                compact_value(sequence, depth - 1, out);
            }
            out.push('}');
        }
    }
}

#[test]
fn writing_a_compact_document_as_received_gives_it_back() {
    let mut sequence = Sequence(1);
    for _ in 0..5_000 {
        let mut body = String::new();
        compact_value(&mut sequence, 5, &mut body);
        assert_eq!(written(&body, AS_RECEIVED), body);
    }
}

#[test]
fn every_form_is_the_same_document_to_another_reader_and_stable() {
    let mut sequence = Sequence(2);
    let forms = [RECURSIVE, PHP_SLASHES_RAW, PHP_DEFAULT, PYTHON_DEFAULT, AS_RECEIVED];
    for _ in 0..2_000 {
        let mut body = String::new();
        compact_value(&mut sequence, 4, &mut body);
        let original: serde_json::Value = serde_json::from_str(&body).expect("valid to serde_json");
        for form in forms {
            let text = written(&body, form);
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("valid"), original, "{text}");
            assert_eq!(written(&text, form), text);
        }
    }
}

#[test]
fn what_is_accepted_is_valid_to_another_parser_and_nothing_panics() {
    let mut sequence = Sequence(3);
    let alphabet = b"{}[]\",:\\/ \t\n0123456789.eE+-nulltruefalse\\u00ebd83d\x00\x1f\x7f\xc3\xab\xff";
    let mut accepted = 0;
    for round in 0..100_000 {
        let mut body = Vec::new();
        if round % 2 == 0 {
            for _ in 0..sequence.below(24) {
                body.push(alphabet[sequence.below(alphabet.len())]);
            }
        } else {
            let mut text = String::new();
            compact_value(&mut sequence, 3, &mut text);
            body.extend_from_slice(text.as_bytes());
            let at = sequence.below(body.len());
            body[at] = alphabet[sequence.below(alphabet.len())];
        }
        let Ok(document) = Document::parse(&body) else { continue };
        accepted += 1;
        serde_json::from_slice::<serde::de::IgnoredAny>(&body).expect("accepted here, so valid there");
        let mut out = Vec::new();
        for form in [AS_RECEIVED, SHALLOW, PHP_DEFAULT, PYTHON_DEFAULT] {
            out.clear();
            document.write(&form, &mut out);
            assert!(Document::parse(&out).is_ok());
        }
    }
    assert!(accepted > 1_000, "only {accepted} inputs were accepted; the generator tests nothing");
}

#[test]
fn a_number_comes_back_as_the_token_it_was() {
    let body = br#"{"amount":90071992547409931.10,"text":"1","list":[2],"e":1e5,"nested":{"deep":3}}"#;
    let document = Document::parse(body).expect("valid");
    assert_eq!((document.number("amount"), document.number("e")), (Some("90071992547409931.10"), Some("1e5")));
    for none in ["text", "list", "nested", "deep", "Amount", ""] {
        assert_eq!(document.number(none), None, "{none}");
    }
    assert_eq!(Document::parse(b"1").expect("valid").number("1"), None);
}
