// Makes hostile-strings.json: `node browser/hostile-strings.mjs`. The list is a function of what stands here, so that a
// string which once did harm is found again.

import { writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";

const FILE = new URL("hostile-strings.json", import.meta.url);

/** What a script would do that got through: seen as a dialog, or as a global. */
const ACTS = ["alert(1)", "window.hostile=1", "top.hostile=document.cookie"];
const TAGS = ["img src=x onerror=", "svg onload=", "body onload=", "input autofocus onfocus=", "details open ontoggle=",
  "video src=x onerror=", "marquee onstart=", "iframe onload=", "object data=x onerror=", "math onclick="];
const BREAKS = ["", '"', "'", '">', "'>", "-->", "</title>", "</script>", "</textarea>", "</option></select>", "]]>"];

const cross = (left, right, join) => left.flatMap((one) => right.map((other) => join(one, other)));
const from = (codes) => codes.map((code) => String.fromCodePoint(code));

/** Every category, by name; each a list of texts, or of `[piece, times]` for what is too long to write down. */
export const CATEGORIES = {
  "html that runs": [
    ...cross(BREAKS, TAGS, (end, tag) => `${end}<${tag}${ACTS[1]}>`),
    ...cross(BREAKS, ACTS, (end, act) => `${end}<script>${act}</script>`),
    ...cross(["<ScRiPt>", "<script/x>", "<script\t>", "<script\n>", "<scr<script>ipt>", "<script src=data:,hostile=1>"], ACTS, (tag, act) => `${tag}${act}</script>`),
    '<base href="http://127.0.0.1:1/">', '<meta http-equiv="refresh" content="0;url=http://127.0.0.1:1/">',
    '<link rel="stylesheet" href="http://127.0.0.1:1/x.css">', '<form action="http://127.0.0.1:1/"><button>Sign in</button>',
    "<style>@import 'http://127.0.0.1:1/x.css'</style>", "<template><script>hostile=1</script></template>",
    '<iframe srcdoc="<script>top.hostile=1</script>"></iframe>', "<noscript><p title=\"</noscript><img src=x onerror=hostile=1>\">",
    "<!--<img src=\"--><img src=x onerror=hostile=1//\">", "<math><mtext></form><form><mglyph><style></math><img src onerror=hostile=1>",
    "<plaintext>", "<xmp>", "<!--", "<![CDATA[", "<?php echo 1 ?>", "<%= 7 * 7 %>",
  ],
  "attributes that run": [
    ...cross(['"', "'", "` ", '" ', "' "], ["onfocus", "onmouseover", "onclick", "onanimationstart", "style"], (end, name) => `${end} ${name}=${ACTS[1]} x=${end}`),
    ...cross(["javascript:", "JaVaScRiPt:", "java\tscript:", " javascript:", "\u0001javascript:", "vbscript:", "data:text/html,", "javascript://%0a"], ACTS, (scheme, act) => scheme + act),
  ],
  "escapes of what is escaped": [
    ..."&lt;script&gt;hostile=1&lt;/script&gt; &#60;img src=x onerror=hostile=1&#62; &#x3c;b&#x3e; &amp;lt; &amp;amp; &quot;&gt; &apos; &nbsp; &#0; &#x110000; &notin; &lt &#60 %3Cscript%3E %253Cscript%253E \\u003cscript\\u003e \\x3cscript\\x3e +ADw-script+AD4- %u003c \\74script\\76".split(" "),
  ],
  "templates": [
    ...cross(["{{", "{%", "${", "#{", "<%=", "[[", "{{{", "*{", "@(", "~{", "{#"], ["7*7", "self", "config", "frame.csrf", "''.__class__", "constructor.constructor('hostile=1')()"], (open, inside) => `${open}${inside}${{ "{{": "}}", "{%": "%}", "<%=": "%>", "[[": "]]", "{{{": "}}}", "@(": ")", "{#": "#}" }[open] ?? "}"}`),
  ],
  "sql": [
    ...cross(["'", '"', "')", "'))", "`", "1", "\\'"], [" OR 1=1 --", "; DROP TABLE apps; --", " UNION SELECT NULL,NULL --", " AND sleep(5) --", "||(SELECT secret FROM credentials)||'", "/**/OR/**/1=1#"], (end, rest) => end + rest),
    "?", "$1", ":name", "@p1", "%", "_", "%_%", "\\", "''''", "admin'--", "NULL", "null", "undefined", "None", "nil", "true", "NaN", "Infinity",
  ],
  "lines": [
    ...cross(["\r\n", "\n", "\r", "%0d%0a", "\u2028", "\u2029", "\u0085", "\u000b", "\f", "\\r\\n"], ["Set-Cookie: hostile=1", "Location: //127.0.0.1:1/", "<script>hostile=1</script>", ""], (end, rest) => `line${end}${rest}line`),
    "\r\n\r\n<html>hostile</html>", "a\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK",
  ],
  "control characters": [
    ...from([...Array(32).keys(), 127, 0x80, 0x85, 0x9f]).map((char) => `a${char}b`),
    "\0", "a\0<script>hostile=1</script>", "<scr\0ipt>hostile=1</script>", "\u001b[31mred\u001b[0m", "\u001b]0;title\u0007", "\b\b\b\bback",
  ],
  "unicode": [
    ...from([0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2060, 0x2066, 0x2067, 0x2068, 0x2069, 0xfeff, 0xfffe, 0xffff, 0xfffd, 0xad, 0x34f, 0x61c, 0x115f, 0x1160, 0x180e, 0x3000, 0xa0, 0xe0001, 0xe007f, 0x1f600, 0x10ffff]).flatMap((char) => [`pay${char}ment`, `${char}<b>x</b>`]),
    "\u202egnp.exe", "раураl.example", "\u05d0\u05d1\u05d2 abc \u05d3", "مرحبا <script>", "e\u0301\u0301\u0301\u0301\u0301\u0301", "\u1100\u1161\u11a8", "👩‍👩‍👧‍👦", "🇮🇳", "ﬁ", "İıſK", "＜script＞hostile=1＜/script＞", "ʺ＞＜img src=x＞", "\u{1d400}\u{1d401}", "ß", "Ǆ", "\u0130@shop.example", "用户@例子.广告", "꧅꧅꧅꧅", "﷽﷽﷽", "t̷̨̢͔̖e̸͓͚x̵̠t̴̩",
  ],
  "formats": ["%s%s%s%s%n", "%x%x%x", "%p", "%d", "%99999999s", "{0}", "{}", "{:?}", "{0.__class__}", "$(id)", "`id`", "; id", "| id", "&& id", "$HOME", "${jndi:ldap://127.0.0.1:1/x}", "%{(#a=1)}", "$((7*7))", "!!python/object:x", "*", "~", "-rf", "--help", "@file", "#", "=", ":", "..."],
  "paths": ["../", "../../../../etc/passwd", "..\\..\\windows\\win.ini", "/etc/passwd", "%2e%2e%2f", "%252e%252e%252f", "..%c0%af", "....//", "file:///etc/passwd", "C:\\", "\\\\host\\share", "CON", "NUL.txt", "/dev/null", "//127.0.0.1:1/", "/\\127.0.0.1:1", "http://127.0.0.1:1/", "?", "#fragment", ";jsessionid=1", "a/b/../c", ".", "..", "/./", "%00.png", "x.html\0.jpg"],
  "formulas": [...cross(["=", "+", "-", "@", "\t=", "\r=", "\n=", '"='], ["1+1", "cmd|' /C calc'!A0", 'HYPERLINK("http://127.0.0.1:1/","x")', "SUM(1,2)"], (sign, rest) => sign + rest)],
  "data formats": ['{"a":1}', "[]", '{"__proto__":{"hostile":1}}', "__proto__", "constructor", "toString", "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>", "a: &a [*a]", "O:8:\"stdClass\":0:{}", "csrf=1&name=2", "name[]=1", "a=b&a=c", "a;b,c|d", "0x10", "1e309", "-0", "-1", "99999999999999999999", "9223372036854775808", "1,000", "٣", "½", "0.1.2"],
  "mail": ["a@b", "a@b.c@d.e", '"a b"@c.d', "a@[127.0.0.1]", "<a@b.c>", "a@b.c\nBcc: d@e.f", "a@b.c,d@e.f", "a@b.c?bcc=d@e.f", "javascript:alert(1)@b.c", "'or'1'='1@b.c", "<script>hostile=1</script>@b.c", "a+<b>@b.c", "a@b..c", ".@b.c", "@", "@@", "a@-b.c", `${"l".repeat(64)}@b.c`, `${"l".repeat(65)}@b.c`, "mailto:a@b.c"],
  "lengths": [["a", 256], ["a", 257], ["a", 1000], ["a", 10_000], ["<b>", 5_000], ["&", 10_000], ["\u{1f600}", 256], ["\u{1f600}", 4_000], ["\u0301", 5_000], [" ", 300], ["\t", 300], ["a b ", 2_000], ["W", 100], ["\u202e", 100], ["../", 3_000], ["%00", 3_000], ['"', 300], ["﷽", 256]],
};

/** The entries of the file: a text of its own each. */
export function entries() {
  const seen = new Set();
  const list = [];
  for (const [category, texts] of Object.entries(CATEGORIES)) {
    for (const text of texts) {
      const key = JSON.stringify(text);
      if (seen.has(key)) continue;
      seen.add(key);
      list.push(Array.isArray(text) ? { category, repeat: text[0], times: text[1] } : { category, text });
    }
  }
  return list;
}

/** The file's bytes: ASCII, so that no editor and no diff shows anything else than what is there. */
export function written(list) {
  const line = (entry) => JSON.stringify(entry).replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return `[\n${list.map(line).join(",\n")}\n]\n`;
}

/** The text of an entry. */
export const textOf = ({ text, repeat, times }) => text ?? repeat.repeat(times);

if (import.meta.url === pathToFileURL(process.argv[1]).href) writeFileSync(fileURLToPath(FILE), written(entries()));
