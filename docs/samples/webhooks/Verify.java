// Checks the signature of a webhook. Take the method of your product; call it with the body as it came, byte for byte,
// before you parse it. Java 17 or newer, nothing to install.

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;
import java.util.HexFormat;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public final class Verify {
    private static final long TOLERANCE_SECONDS = 300;

    private static byte[] mac(byte[] key, byte[]... parts) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        for (byte[] part : parts) {
            mac.update(part);
        }
        return mac.doFinal();
    }

    private static boolean same(String a, String b) {
        return MessageDigest.isEqual(a.getBytes(UTF_8), b.getBytes(UTF_8));
    }

    private static boolean isFresh(String timestamp, long now) {
        return timestamp.matches("[0-9]{1,12}") && Math.abs(now - Long.parseLong(timestamp)) <= TOLERANCE_SECONDS;
    }

    private static boolean isHex(String secret, String signature, byte[]... parts) throws GeneralSecurityException {
        return !secret.isEmpty() && same(signature, HexFormat.of().formatHex(mac(secret.getBytes(UTF_8), parts)));
    }

    /** X-Razorpay-Signature; the secret is the endpoint's. */
    public static boolean razorpay(String secret, String signature, byte[] body) throws GeneralSecurityException {
        return isHex(secret, signature, body);
    }

    /** X-KPAY-Signature; the secret is the endpoint's. */
    public static boolean kpay(String secret, String signature, byte[] body) throws GeneralSecurityException {
        return isHex(secret, signature, body);
    }

    /** X-SIGNATURE and X-TIMESTAMP; the secret is that of your API key. */
    public static boolean kwikpaisa(String secret, String signature, String timestamp, byte[] body, long now)
            throws GeneralSecurityException {
        return isFresh(timestamp, now) && isHex(secret, signature, body, timestamp.getBytes(UTF_8));
    }

    /**
     * webhook-signature, webhook-timestamp and webhook-id (Standard Webhooks 1.0); the secret is whsec_…, or the public key
     * whpk_…. While a secret is rolled there are several signatures: one of them is enough.
     */
    public static boolean keymint(
            String secret, String signature, String timestamp, String id, byte[] body, long now)
            throws GeneralSecurityException {
        String[] kind = secret.split("_", 2);
        if (kind.length < 2 || kind[1].isEmpty() || !isFresh(timestamp, now)) {
            return false;
        }
        byte[] key = Base64.getDecoder().decode(kind[1]);
        byte[] head = (id + "." + timestamp + ".").getBytes(UTF_8);
        for (String one : signature.split(" ")) {
            String[] parts = one.split(",", 2);
            if (parts.length < 2) {
                continue;
            }
            boolean isHmac = kind[0].equals("whsec") && parts[0].equals("v1");
            if (isHmac && same(parts[1], Base64.getEncoder().encodeToString(mac(key, head, body)))) {
                return true;
            }
            if (kind[0].equals("whpk") && parts[0].equals("v1a") && isBy(key, parts[1], head, body)) {
                return true;
            }
        }
        return false;
    }

    private static boolean isBy(byte[] publicKey, String signature, byte[] head, byte[] body) {
        try {
            ByteArrayOutputStream der = new ByteArrayOutputStream();
            der.writeBytes(HexFormat.of().parseHex("302a300506032b6570032100"));
            der.writeBytes(publicKey);
            Signature verifier = Signature.getInstance("Ed25519");
            verifier.initVerify(KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(der.toByteArray())));
            verifier.update(head);
            verifier.update(body);
            return verifier.verify(Base64.getDecoder().decode(signature));
        } catch (GeneralSecurityException | IllegalArgumentException e) {
            return false;
        }
    }

    private static String given(String name) {
        return System.getenv().getOrDefault(name, "");
    }

    /** From the command line: the product, and the rest in the environment; the body comes in. */
    public static void main(String[] arguments) throws Exception {
        long now = given("NOW").isEmpty() ? System.currentTimeMillis() / 1000 : Long.parseLong(given("NOW"));
        String secret = given("SECRET");
        String signature = given("SIGNATURE");
        String timestamp = given("TIMESTAMP");
        byte[] body = System.in.readAllBytes();
        boolean holds = switch (arguments[0]) {
            case "razorpay" -> razorpay(secret, signature, body);
            case "kpay" -> kpay(secret, signature, body);
            case "kwikpaisa" -> kwikpaisa(secret, signature, timestamp, body, now);
            case "keymint" -> keymint(secret, signature, timestamp, given("ID"), body, now);
            default -> false;
        };
        System.exit(holds ? 0 : 1);
    }
}
