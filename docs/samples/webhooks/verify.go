// Checks the signature of a webhook. Take the function of your product; call it with the body as it came, byte for byte,
// before you parse it. Go 1.19 or newer, nothing to install.
package main

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const toleranceSeconds = 300

var digits = regexp.MustCompile(`^[0-9]{1,12}$`)

func mac(key []byte, parts ...[]byte) []byte {
	digest := hmac.New(sha256.New, key)
	for _, part := range parts {
		digest.Write(part)
	}
	return digest.Sum(nil)
}

func isFresh(timestamp string, now int64) bool {
	at, err := strconv.ParseInt(timestamp, 10, 64)
	return err == nil && digits.MatchString(timestamp) && at >= now-toleranceSeconds && at <= now+toleranceSeconds
}

func isHex(key []byte, signature string, parts ...[]byte) bool {
	return len(key) > 0 && hmac.Equal([]byte(signature), []byte(hex.EncodeToString(mac(key, parts...))))
}

// Razorpay: X-Razorpay-Signature; secret is the endpoint's.
func Razorpay(secret, signature string, body []byte) bool {
	return isHex([]byte(secret), signature, body)
}

// KPay: X-KPAY-Signature; secret is the endpoint's.
func KPay(secret, signature string, body []byte) bool {
	return isHex([]byte(secret), signature, body)
}

// KwikPaisa: X-SIGNATURE and X-TIMESTAMP; secret is that of your API key.
func KwikPaisa(secret, signature, timestamp string, body []byte, now int64) bool {
	return isFresh(timestamp, now) && isHex([]byte(secret), signature, body, []byte(timestamp))
}

// Keymint: webhook-signature, webhook-timestamp and webhook-id (Standard Webhooks 1.0); secret is whsec_…, or the public
// key whpk_…. While a secret is rolled there are several signatures: one of them is enough.
func Keymint(secret, signature, timestamp, id string, body []byte, now int64) bool {
	kind, text, _ := strings.Cut(secret, "_")
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) == 0 || !isFresh(timestamp, now) {
		return false
	}
	message := append([]byte(id+"."+timestamp+"."), body...)
	for _, one := range strings.Split(signature, " ") {
		version, text, _ := strings.Cut(one, ",")
		switch {
		case kind == "whsec" && version == "v1":
			expected := base64.StdEncoding.EncodeToString(mac(key, message))
			if hmac.Equal([]byte(text), []byte(expected)) {
				return true
			}
		case kind == "whpk" && version == "v1a" && len(key) == ed25519.PublicKeySize:
			bytes, err := base64.StdEncoding.DecodeString(text)
			if err == nil && ed25519.Verify(key, message, bytes) {
				return true
			}
		}
	}
	return false
}

// From the command line: the product, and the rest in the environment; the body comes in.
func main() {
	secret, signature, timestamp, id := os.Getenv("SECRET"), os.Getenv("SIGNATURE"), os.Getenv("TIMESTAMP"), os.Getenv("ID")
	now, err := strconv.ParseInt(os.Getenv("NOW"), 10, 64)
	if err != nil {
		now = time.Now().Unix()
	}
	body, err := io.ReadAll(os.Stdin)
	holds := false
	switch os.Args[1] {
	case "razorpay":
		holds = Razorpay(secret, signature, body)
	case "kpay":
		holds = KPay(secret, signature, body)
	case "kwikpaisa":
		holds = KwikPaisa(secret, signature, timestamp, body, now)
	case "keymint":
		holds = Keymint(secret, signature, timestamp, id, body, now)
	}
	if err != nil || !holds {
		os.Exit(1)
	}
}
