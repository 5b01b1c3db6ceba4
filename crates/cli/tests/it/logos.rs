//! Logos of apps: what is taken, what is refused with a sentence, what comes of it, and what it costs. Whatever is sent,
//! nothing of the file itself is served (T109), and memory stays where it was (T110).

use std::io::Cursor;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat, Rgba, RgbaImage};
use keymint_testkit::{Dev, Reply, Request};

use crate::console::{Browser, app_of};
use crate::dev;

const BOUNDARY: &str = "----a boundary of no form";

/// A form as a page sends it: the fields, and the file behind them.
pub fn multipart(fields: &[(&str, &str)], file: Option<(&str, &[u8])>) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    if let Some((name, bytes)) = file {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"logo\"; filename=\"{name}\"\r\n\
             Content-Type: image/png\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

pub fn send(browser: &Browser<'_>, path: &str, body: Vec<u8>) -> Reply {
    Request::new("POST", path)
        .header("Cookie", &browser.cookie)
        .header("Sec-Fetch-Site", "same-origin")
        .header("Content-Type", &format!("multipart/form-data; boundary=\"{BOUNDARY}\""))
        .body_bytes(body)
        .send(browser.dev.console)
}

/// The settings of an app as they are, with a logo.
fn upload(browser: &Browser<'_>, csrf: &str, app: &str, name: &str, file: &[u8]) -> Reply {
    let fields = [
        ("csrf", csrf),
        ("name", "Typed <name>"),
        ("email", "typed@shop.example"),
        ("address", "Typed 12"),
        ("country", "IN"),
        ("postal_code", "560001"),
    ];
    send(browser, &format!("/apps/{app}/settings"), multipart(&fields, Some((name, file))))
}

/// A picture with something in each pixel.
fn drawn(width: u32, height: u32) -> DynamicImage {
    let byte = |number: u32| u8::try_from(number % 256).expect("a byte");
    RgbaImage::from_fn(width, height, |x, y| Rgba([byte(x), byte(y), byte(x + y), 255])).into()
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    let picture = if format == ImageFormat::Jpeg { picture.to_rgb8().into() } else { picture.clone() };
    picture.write_to(&mut Cursor::new(&mut bytes), format).expect("a picture");
    bytes
}

fn png() -> Vec<u8> {
    encoded(&drawn(40, 30), ImageFormat::Png)
}

/// CRC-32 as PNG has it, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let named = [kind.as_slice(), content].concat();
    [&u32::try_from(content.len()).expect("short").to_be_bytes()[..], &named, &crc(&named).to_be_bytes()].concat()
}

/// A PNG of exactly so many bytes: what is missing is a chunk that no decoder looks at.
fn png_of(length: usize) -> Vec<u8> {
    let small = png();
    let (body, end) = small.split_at(small.len() - 12);
    let padding = vec![b'x'; length - small.len() - 12];
    [body, &chunk(b"paDd", &padding), end].concat()
}

/// A PNG that says it is this large, in a few bytes.
fn claiming(width: u32, height: u32) -> Vec<u8> {
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
    [
        b"\x89PNG\r\n\x1a\n".as_slice(),
        &chunk(b"IHDR", &head),
        &chunk(b"IDAT", b"\x78\x9c\x03\x00\x00\x00\x00\x01"),
        &chunk(b"IEND", b""),
    ]
    .concat()
}

/// A good PNG of few bytes that is 18 MiB in memory.
fn swelling() -> Vec<u8> {
    let mut bytes = Vec::new();
    let pixels = vec![0; 1536 * 1536 * 8];
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::NoFilter)
        .write_image(&pixels, 1536, 1536, ExtendedColorType::Rgba16)
        .expect("a picture");
    assert!(bytes.len() < 102_400, "{} bytes", bytes.len());
    bytes
}

/// A line of `/proc/{pid}/status`, in KiB.
fn memory(dev: &Dev, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", dev.pid())).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
    line.trim_matches(|character: char| !character.is_ascii_digit()).parse().expect("a number")
}

fn logo(browser: &Browser<'_>, app: &str) -> Reply {
    browser.get(&format!("/apps/{app}/logo"))
}

/// Everything that a page says is wrong with the logo.
fn complaint(page: &str) -> &str {
    let (_, rest) = page.split_once("id=\"logo-error\">").unwrap_or_else(|| panic!("no complaint: {page}"));
    rest.split('<').next().expect("text")
}

#[test]
fn a_logo_up_to_100_kb_is_taken_and_drawn_anew_and_one_byte_more_is_not() {
    let dev = dev();
    let (owner, app) = (Browser::signed_in(&dev, "owner"), app_of(&dev, "razorpay"));
    let csrf = owner.csrf();
    let jpeg = encoded(&drawn(640, 200), ImageFormat::Jpeg);
    for (name, file, size) in [
        ("a.png", png(), (40, 30)),
        ("a.jpg", jpeg.clone(), (256, 80)),
        ("a.jpeg", jpeg, (256, 80)),
        ("no name that says it", png_of(102_400), (40, 30)),
        ("wide.png", encoded(&drawn(1536, 3), ImageFormat::Png), (256, 1)),
    ] {
        let saved = upload(&owner, &csrf, &app, name, &file);
        assert_eq!(saved.status, 303, "{name}: {}", saved.body);
        let shown = logo(&owner, &app);
        assert_eq!((shown.status, shown.header("content-type")), (200, Some("image/png")));
        let picture = image::load_from_memory_with_format(&shown.bytes, ImageFormat::Png).expect("a PNG");
        assert_eq!((picture.width(), picture.height()), size, "{name}");
    }
    let before = logo(&owner, &app);
    for (name, file, says) in [
        ("a.png", png_of(102_401), "Logo must have at most 100 KB."),
        ("a.png", png_of(103_424), "Logo must have at most 100 KB."),
        ("photo.png", vec![7; 10 * 1024 * 1024], "Logo must have at most 100 KB."),
        ("wide.png", encoded(&drawn(1537, 3), ImageFormat::Png), "Logo cannot be read"),
    ] {
        let refused = upload(&owner, &csrf, &app, name, &file);
        assert_eq!(refused.status, 422, "{} bytes: {}", file.len(), refused.body);
        assert!(complaint(&refused.body).starts_with(says), "{}", complaint(&refused.body));
        for typed in ["Typed &#60;name&#62;", "typed@shop.example", "Typed 12"] {
            assert!(refused.body.contains(typed), "{typed} is kept");
        }
    }
    assert_eq!(logo(&owner, &app).bytes, before.bytes, "what was refused changed nothing");
}

#[test]
fn what_is_no_picture_or_more_than_one_is_refused_or_comes_out_as_a_picture_alone() {
    let dev = dev();
    let (owner, app) = (Browser::signed_in(&dev, "owner"), app_of(&dev, "razorpay"));
    let csrf = owner.csrf();
    let script = b"<html><script>alert(1)</script></html>";
    let gif = [b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!".as_slice(), script].concat();
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>".to_vec();
    let half = png();
    for (name, file, says) in [
        ("gif.png", gif.clone(), "must be a JPG or PNG picture"),
        ("logo.gif", gif, "must be a JPG or PNG picture"),
        ("logo.svg", svg.clone(), "must be a JPG or PNG picture"),
        ("svg.png", svg, "must be a JPG or PNG picture"),
        ("page.png", script.to_vec(), "must be a JPG or PNG picture"),
        ("zero.png", Vec::new(), "is empty"),
        ("one.png", vec![0x89], "must be a JPG or PNG picture"),
        ("webp.png", b"RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f".to_vec(), "must be a JPG or PNG picture"),
        ("head.png", half[..8].to_vec(), "cannot be read"),
        ("half.png", half[..half.len() / 2].to_vec(), "cannot be read"),
        ("jpeg.png", [b"\xff\xd8\xff\xe0".as_slice(), script].concat(), "cannot be read"),
        ("png.jpg", [b"\x89PNG\r\n\x1a\n".as_slice(), script].concat(), "cannot be read"),
    ] {
        let refused = upload(&owner, &csrf, &app, name, &file);
        assert_eq!(refused.status, 422, "{name}: {}", refused.body);
        assert!(complaint(&refused.body).contains(says), "{name}: {}", complaint(&refused.body));
        assert_eq!(logo(&owner, &app).header("content-type"), Some("image/svg+xml"), "the initials stay");
    }
    let jpeg = encoded(&drawn(64, 64), ImageFormat::Jpeg);
    let exif = [b"Exif\0\0".as_slice(), script].concat();
    let length = u16::try_from(exif.len() + 2).expect("short").to_be_bytes();
    let texts = [&png()[..33], &chunk(b"tEXt", &[b"Comment\0".as_slice(), script].concat()), &png()[33..]].concat();
    for (name, file) in [
        ("behind.png", [&png()[..], script].concat()),
        ("text.png", texts),
        ("exif.jpg", [&jpeg[..2], b"\xff\xe1", &length, &exif, &jpeg[2..]].concat()),
        ("behind.html", [&jpeg[..], script].concat()),
    ] {
        assert!(file.windows(8).any(|part| part == b"<script>"));
        let taken = upload(&owner, &csrf, &app, name, &file);
        assert_eq!(taken.status, 303, "{name}: {}", taken.body);
        let served = logo(&owner, &app);
        assert_eq!(served.header("content-type"), Some("image/png"));
        assert!(!served.bytes.windows(6).any(|part| part == b"script" || part == b"Exif\0\0"), "{name}");
        image::load_from_memory_with_format(&served.bytes, ImageFormat::Png).expect("a picture still");
    }
}

#[test]
fn a_picture_that_swells_is_refused_and_many_at_once_leave_the_memory_where_it_was() {
    let dev = dev();
    let (owner, app) = (Browser::signed_in(&dev, "owner"), app_of(&dev, "razorpay"));
    let csrf = owner.csrf();
    assert_eq!(upload(&owner, &csrf, &app, "a.png", &png()).status, 303);
    let before = memory(&dev, "VmRSS:");
    let swelling = swelling();
    let noise = vec![7; 10 * 1024 * 1024];
    // In memory 9 MiB: the largest that is taken.
    let largest = encoded(&DynamicImage::new_rgba8(1536, 1536), ImageFormat::Png);
    let files: [(&[u8], u16); 6] = [
        (&claiming(30_000, 30_000), 422),
        (&claiming(u32::MAX >> 1, 1), 422),
        (&claiming(1536, 1536), 422),
        (&swelling, 422),
        (&noise, 422),
        (&largest, 303),
    ];
    std::thread::scope(|scope| {
        for number in 0..24 {
            let (owner, csrf, app) = (&owner, &csrf, &app);
            let (file, status) = files[number % files.len()];
            scope.spawn(move || {
                let reply = upload(owner, csrf, app, "a.png", file);
                assert_eq!(reply.status, status, "{} bytes: {}", file.len(), reply.body);
            });
        }
    });
    let grown = memory(&dev, "VmHWM:").saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB more than before");
}

#[test]
fn a_logo_is_for_members_and_is_served_as_a_file_that_does_nothing() {
    let dev = dev();
    let (owner, app) = (Browser::signed_in(&dev, "owner"), app_of(&dev, "razorpay"));
    let csrf = owner.csrf();
    let initials = logo(&owner, &app);
    assert!(initials.body.contains(">DA</text>"), "{}", initials.body);
    assert_eq!(upload(&owner, &csrf, &app, "a.png", &png()).status, 303);
    let viewer = Browser::signed_in(&dev, "viewer");
    let shown = logo(&viewer, &app);
    for reply in [&initials, &shown] {
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("cache-control"), Some("private, no-cache"));
        let policy = reply.header("content-security-policy").expect("a policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{policy}");
        assert!(reply.header("content-disposition").expect("one").starts_with("attachment; filename="));
    }
    let tag = shown.header("etag").expect("a tag").to_owned();
    let again = |tag: &str| {
        let request = Request::new("GET", &format!("/apps/{app}/logo")).header("Cookie", &viewer.cookie);
        request.header("If-None-Match", tag).send(dev.console)
    };
    assert_eq!((again(&tag).status, again("\"another\"").status), (304, 200));
    let nobody = logo(&Browser::new(&dev), &app);
    assert_eq!((nobody.status, nobody.header("location")), (303, Some("/sign-in")));
    let stranger = crate::people::signed_up(&dev, "stranger@logos.example");
    assert_eq!(logo(&stranger, &app).status, 404, "whether there is such an app is not told");
    let by_viewer = upload(&viewer, &viewer.csrf(), &app, "a.png", &png());
    assert_eq!(by_viewer.status, 403);
    let fields = [("csrf", csrf.as_str()), ("name", "Typed"), ("email", "a@b.example"), ("address", "1")];
    let rest = [("country", "IN"), ("postal_code", "1"), ("remove_logo", "yes")];
    let removed = owner.post(&format!("/apps/{app}/settings"), &[&fields[..], &rest[..]].concat());
    assert_eq!(removed.status, 303, "{}", removed.body);
    assert_eq!(logo(&owner, &app).header("content-type"), Some("image/svg+xml"));
    let audit = owner.get(&format!("/merchants/{}/audit", crate::people::merchant_of(&owner))).body;
    assert!(audit.contains("&#34;logo&#34;:&#34;put&#34;") && audit.contains("&#34;logo&#34;:&#34;removed&#34;"));
}

#[test]
fn a_form_that_is_none_is_answered_calmly() {
    let dev = dev();
    let (owner, app) = (Browser::signed_in(&dev, "owner"), app_of(&dev, "razorpay"));
    let csrf = owner.csrf();
    let path = format!("/apps/{app}/settings");
    let twice = multipart(&[("csrf", &csrf), ("name", "one"), ("name", "two")], None);
    let many: Vec<(&str, &str)> = (0..40).map(|_| ("other", "x")).collect();
    let long = "x".repeat(70_000);
    let cut = multipart(&[("csrf", &csrf), ("name", "cut off")], None);
    for body in [
        b"no form at all".to_vec(),
        Vec::new(),
        twice,
        multipart(&many, None),
        multipart(&[("csrf", &csrf), ("name", &long)], None),
        cut[..cut.len() - 20].to_vec(),
        multipart(&[("csrf", &csrf), ("name", "\u{0}")], Some(("a\r\nb.png", b"x"))),
    ] {
        let reply = send(&owner, &path, body);
        assert!(matches!(reply.status, 400 | 403 | 422), "{}: {}", reply.status, reply.body);
    }
    assert_eq!(send(&owner, &path, multipart(&[("csrf", "wrong"), ("name", "x")], None)).status, 403);
}
