# Checks the signature of a webhook. Take the function of your product; call it with the body as it came, byte for byte,
# before you parse it. Ruby 3.0 or newer, nothing to install.

require "base64"
require "openssl"

TOLERANCE_SECONDS = 300

def mac(key, message)
  OpenSSL::HMAC.digest("SHA256", key, message)
end

def same?(a, b)
  OpenSSL.secure_compare(a, b)
end

def fresh?(timestamp, now)
  timestamp.match?(/\A[0-9]{1,12}\z/) && (now - timestamp.to_i).abs <= TOLERANCE_SECONDS
end

# X-Razorpay-Signature; `secret` is the endpoint's.
def razorpay(secret, signature, body)
  !secret.empty? && same?(signature, mac(secret, body).unpack1("H*"))
end

# X-KPAY-Signature; `secret` is the endpoint's.
def kpay(secret, signature, body)
  !secret.empty? && same?(signature, mac(secret, body).unpack1("H*"))
end

# X-SIGNATURE and X-TIMESTAMP; `secret` is that of your API key.
def kwikpaisa(secret, signature, timestamp, body, now)
  !secret.empty? && fresh?(timestamp, now) && same?(signature, mac(secret, body + timestamp).unpack1("H*"))
end

# webhook-signature, webhook-timestamp and webhook-id (Standard Webhooks 1.0); `secret` is `whsec_…`, or the public key
# `whpk_…`. While a secret is rolled there are several signatures: one of them is enough.
def keymint(secret, signature, timestamp, id, body, now)
  return false unless fresh?(timestamp, now)

  kind, text = secret.split("_", 2)
  key = Base64.strict_decode64(text.to_s)
  message = "#{id}.#{timestamp}.".b + body
  signature.split(" ").any? do |one|
    version, text = one.split(",", 2)
    case [kind, version]
    when %w[whsec v1] then !key.empty? && same?(text.to_s, Base64.strict_encode64(mac(key, message)))
    when %w[whpk v1a] then by?(key, text.to_s, message)
    end
  end
rescue ArgumentError
  false
end

def by?(public_key, signature, message)
  der = ["302a300506032b6570032100"].pack("H*") + public_key
  OpenSSL::PKey.read(der).verify(nil, Base64.strict_decode64(signature), message)
rescue OpenSSL::PKey::PKeyError
  false
end

# From the command line: the product, and the rest in the environment; the body comes in.
secret, signature, timestamp, id, now = %w[SECRET SIGNATURE TIMESTAMP ID NOW].map { |name| ENV.fetch(name, "") }
body = $stdin.binmode.read
now = now.empty? ? Time.now.to_i : now.to_i
holds = case ARGV[0]
        when "razorpay" then razorpay(secret, signature, body)
        when "kpay" then kpay(secret, signature, body)
        when "kwikpaisa" then kwikpaisa(secret, signature, timestamp, body, now)
        when "keymint" then keymint(secret, signature, timestamp, id, body, now)
        end
exit(holds ? 0 : 1)
