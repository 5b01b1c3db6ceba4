//! Random input, from a fixed seed.

use super::*;

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
        usize::try_from(self.next() % u64::try_from(bound.max(1)).expect("small")).expect("small")
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        *items.get(self.below(items.len())).expect("not empty")
    }

    fn text(&mut self, length_max: usize) -> Vec<u8> {
        const ALPHABET: &[u8] = b"abcxyz019@\"\"\"();=:,?*%-_. \t\r\n\\/&+~#[]AZ\0\x7f\xc3\xa4\xff";
        (0..self.below(length_max)).map(|_| self.pick(ALPHABET)).collect()
    }

    /// Cuts a piece out of `text`, or puts random bytes in, or both.
    fn mutate(&mut self, text: &mut Vec<u8>) {
        let start = self.below(text.len() + 1);
        let end = (start + self.below(4)).min(text.len());
        let piece = self.text(4);
        text.splice(start..end, piece);
    }
}

fn random_request(sequence: &mut Sequence) -> Request {
    let valid = [B22, B23, B25, B26];
    let [input, signature] = sequence.pick(&valid);
    let mut request =
        test_request([input, signature]).with("priority", "u=1, i").with("example-dict", "a=1, b=(1 2);c");
    let lists = [
        r#"("@method" "@target-uri" "content-digest")"#,
        r#"("@authority" "@scheme" "@request-target" "@query" "priority";sf "example-dict";key="b")"#,
        r#"("@query-param";name="Pet" "example-dict";bs "date";bs "content-digest";key="sha-512")"#,
    ];
    if sequence.below(2) == 0 {
        let field = format!("s={};created={};keyid=\"k\";nonce=\"n\"", sequence.pick(&lists), sequence.next() % 99);
        request = request.replacing("signature-input", field).replacing("signature", "s=:AAAA:");
    }
    for _ in 0..sequence.below(3) {
        let at = sequence.below(request.headers.len());
        if let Some((_, value)) = request.headers.get_mut(at) {
            sequence.mutate(value);
        }
    }
    match sequence.below(8) {
        0 => request.target = String::from_utf8_lossy(&sequence.text(40)).into_owned(),
        1 => request.authority = String::from_utf8_lossy(&sequence.text(12)).into_owned(),
        2 => request.scheme = String::from_utf8_lossy(&sequence.text(6)).into_owned(),
        3 => request.method = String::from_utf8_lossy(&sequence.text(6)).into_owned(),
        4 => request = request.replacing("signature-input", sequence.text(60)),
        5 => request = request.replacing("signature", sequence.text(30)),
        6 => request = request.replacing("content-digest", sequence.text(30)),
        _ => {}
    }
    request
}

#[test]
fn nothing_panics_on_random_input_and_bases_are_lines_of_ascii() {
    let mut sequence = Sequence(9421);
    let (mut n_parsed, mut n_built) = (0, 0);
    for _ in 0..100_000 {
        let request = random_request(&mut sequence);
        request.see(|view| {
            let _ = check_content_digest(view);
            let Ok(Some(input)) = SignatureInput::parse(view) else { return };
            n_parsed += 1;
            let _ = check_coverage(&input, view);
            let mut base = Vec::new();
            if signature_base(view, &input, &mut base).is_err() {
                assert!(base.is_empty());
                return;
            }
            n_built += 1;
            assert!(base.iter().all(|byte| matches!(byte, b'\n' | b'\t' | b' '..=b'~')));
            let n_lines = base.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(n_lines, input.components().len(), "one line per component");
            assert!(!verify_hmac(&base, KEY, input.signature()));
            let components = input.components();
            let parameters = SigningParameters { label: input.label(), keyid: input.keyid(), components, ..PARAMETERS };
            let _ = sign(view, &parameters, KEY);
        });
    }
    assert!(n_parsed > 20_000 && n_built > 10_000, "{n_parsed} parsed, {n_built} built: the generator tests nothing");
}

#[test]
fn two_different_requests_never_share_a_base_over_the_default_components() {
    let mut sequence = Sequence(9530);
    let mut seen = std::collections::HashMap::new();
    for _ in 0..20_000 {
        let mut target = b"/".to_vec();
        for _ in 0..sequence.below(6) {
            target.push(sequence.pick(b"ab/?&=%20+"));
        }
        let target = String::from_utf8(target).expect("ASCII");
        let method = sequence.pick(&["GET", "POST"]);
        let authority = sequence.pick(&["a", "b", "a:81"]);
        let request = Request::new(method, authority, &target).covering(r#"("@method" "@target-uri")"#);
        let identity = (method, authority, target);
        let base = request.base().expect("base");
        assert_eq!(seen.entry(base).or_insert_with(|| identity.clone()), &identity);
    }
    assert!(seen.len() > 1_000);
}
