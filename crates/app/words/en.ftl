### Every sentence that a person reads here: on the console's pages, in mail and text messages, in refusals.
### docs/how-to/translate-the-console.md says how to lay a translation over it.

# The language, as in an address of the web: de, pt-BR.
language = en

## Words of many pages

common-applications = Applications
common-team = Team
common-company = Company
common-activation = Activation
common-audit-log = Audit log
common-invitations = Invitations
common-security = Security
common-overview = Overview
common-api-keys = API keys
common-transactions = Transactions
common-logs = Logs
common-webhooks = Webhooks
common-start-here = Start here
common-settings = Settings
common-newest = Newest
common-older = Older
common-optional = optional
common-sign-in = Sign in
common-email = Email
common-password = Password
common-forgot-password = Forgot password
common-create-account = Create account
common-or-with-a-code = Or with a code
common-enter-code = Enter the code that your authenticator app shows, or one of your recovery codes.
common-code = Code
common-go-live = Go live
common-mark-as-done = Mark as done
# Read aloud in the place of "Mark as done". $what: an item, a gateway.
common-mark-as-done-named = Mark as done: { $what }
common-send-to-phone = Send a code to my phone instead
common-use-a-recovery-code = Use a recovery code
common-recovery-code = Recovery code
common-country = Country
common-country-code = Country (two letters, such as IN)
common-phone = Phone
common-new-password = New password
common-confirm = Confirm
common-send-another-code = Send another code
common-send-a-code = Send a code
common-cancel = Cancel
common-add-app = Add App
common-product = Product
common-status = Status
common-registered = Registered
common-breadcrumb = Breadcrumb
common-disabled = disabled
common-copy = Copy
common-save = Save
common-remove = Remove
common-mode = Mode
# The modes, wherever they stand alone: on switches and in lists.
common-test = Test
common-live = Live
common-requests = Requests
common-from-utc = From (UTC)
common-kind = Kind
common-generate-api-key = Generate API Key
common-reload = Reload
common-name = Name
common-created = Created
common-last-used = Last used
common-actions = Actions
common-never = never
# Opens a menu of what can be done with a key or a member.
common-change = Change
common-key-details = Name, expiry and restrictions
common-key-id = Key id
common-json-lines = JSON lines
common-all = All
# The last day of a range; From (UTC) is the first.
common-to = To
common-filter = Filter
common-clear = Clear
common-time-utc = Time (UTC)
common-allowed = allowed
common-denied = denied
common-time = Time
# Where a request or a person came from.
common-from = From
common-latency-what = from the request to the answer
common-roles = Roles
common-change-the-role = Change the role
common-your-password = Your password
common-add-a-passkey = Add a passkey
common-authenticator-app = Authenticator app
common-set-up-authenticator = Set up an authenticator app
common-turn-mail-codes-on = Turn codes by mail on
# $to: an address, or a phone number with its middle left out.
common-code-sent = A code of six digits is on its way to { $to }.
common-passkeys-elsewhere = Passkeys work at another address of this console: <a>{ $address }</a>.
common-to-sign-in = You have an account? <a>Sign in</a>
# Read aloud in the place of "Remove" alone. $what: a domain, or the name of a passkey.
common-remove-named = Remove { $what }
# $most: a number, as text.
common-export-most = at most the { $most } newest
common-too-many = Too many attempts. Wait half an hour, then try again.
# What is wrong with a field. $label: what stands above it. $problem: the end of a sentence, such as "is empty".
common-field-wrong = { $label } { $problem }.
common-code-wrong-ask = This code is not right, or was used, or is too old. Ask for another.
common-phone-number = Phone Number
common-address = Address
common-state = State
common-city = City
common-postal-code = Zip Code/Postal Code
common-saved = Saved.
common-from-wrong = From is not a day such as 2027-01-31.
common-to-wrong = To is not a day such as 2027-01-31.
common-from-after-to = From is after To.

## The frame of every page

layout-skip-to-content = Skip to content
layout-console = Console
layout-menu = Menu
layout-switch-merchant = Switch merchant
layout-search-or-jump = Search or jump
layout-api-reference = API reference
layout-sign-out = Sign out
layout-keyboard-shortcuts = Keyboard shortcuts
layout-this-list = This list
layout-close = Close
# Keys: the words on them stay.
layout-search-keys = <kbd>/</kbd> or <kbd>Ctrl</kbd> <kbd>K</kbd>

## Tabs of an application

tabs-application = Application

## Signing in

sign-in-with-passkey = Sign in with a passkey
sign-in-password-set = The password is set. Sign in with it.
sign-in-no-passkeys = This account signs in with a passkey, and this Keymint cannot ask for one any more. Its operator can help.
sign-in-wrong = Email and password do not belong together.
sign-in-too-many = Too many failed attempts. Wait half an hour, then try again.
sign-in-busy = Many people sign in right now. Try again in a moment.

## Signing in, the second step

second-title = Second step
second-browser-asks = Your browser asks for your passkey.
second-use-your-passkey = Use your passkey
second-sign-in-anew = Sign in anew
second-elsewhere = Your passkeys are bound to another address of this console. <a>Sign in there</a>.
second-passkey-refused = This passkey was not accepted. After five tries sign in anew.
second-code-wrong = This code is not right, or was used, or is too old. After five tries sign in anew.
second-too-many = Too many wrong codes. Wait an hour, then sign in anew.

## Create account

sign-up-your-name = Your name
sign-up-business-name = Business name
sign-up-phone-optional = optional, with country code
sign-up-password-hint = At least 15 characters. A few words that do not belong together are good.
sign-up-without-invitation = No invitation? <a>Create an account for your business</a>
sign-up-with-invitation = Invited by a team? <a>Create an account without a business</a>

## Codes sent by mail: confirming an address, a new password

code-mail-rests = After a new password, codes by mail do not count as a second factor for 24 hours.
code-password-hint = At least 15 characters. Every sign-in of before ends.
code-set-password = Set password
# The same whether there is an account or not.
code-sent-if-account = If { $to } has an account, a code is on its way to it.
code-sent = A mail is on its way to { $to }. Enter the code of eight digits that stands in it.
code-wrong = This code is not right, or was used, or is too old. After five tries ask for another.
code-confirm-title = Confirm your address
code-reset-title = Set a new password

## Forgot password

forgot-what-happens = A code for a new password goes to your address, if it has an account.
forgot-back-to-sign-in = Back to sign-in

## Confirm it is you

proof-title = Confirm it is you
proof-ask-anew = Your passkey has to be asked for anew.
proof-browser-asks = Your browser asks for your passkey. It is bound to what you are about to do.
proof-ask-again = Ask again
proof-elsewhere = Your passkeys are bound to another address of this console. <a>Open it there</a>.
proof-passkey-refused = This passkey was not accepted. Ask again.
# $number: six digits that everybody knows.
proof-test-code = Test mode: no code is sent, and the code is <code>{ $number }</code>. Live mode asks here for your second factor.
proof-test-code-wrong = This is not the code of test mode.
proof-code-wrong = This code is not right, or was used, or is too old.

## Passkeys

passkey-needs-browser = To use a passkey you need a browser that has them, with scripts switched on.
passkey-create-the-passkey = Create the passkey
passkey-where = Your browser asks where to keep the passkey <strong>{ $name }</strong>: on this device, on your phone, or on a security key. It asks for the device's lock, too.
passkey-act-remove = Remove the passkey
passkey-refused = This passkey was not accepted. It may have been removed, or the challenge was too old. Try again, or sign in with your password.

## Pages that say what went wrong

problem-back = Back to your applications
problem-not-found = Not found
problem-not-found-text = There is nothing at this address that this account may see.
problem-forbidden = Not allowed
problem-forbidden-text = Permission denied. Your role does not allow this: contact the owner, who can do it or change your role.
problem-stale = Form out of date
problem-stale-text = This form is not from the session you are signed in with. Go back, reload the page and send it again.
problem-broken = The form did not arrive
problem-broken-text = It came damaged, incomplete, too slowly, or was too large. Nothing was changed. A logo may have at most 100 KB.
problem-too-many = Too many attempts
problem-too-many-text = Nothing was changed. Wait an hour, then try again.
problem-unavailable = Not available now
problem-unavailable-text = Nothing was changed. Try again in a moment.
problem-internal = Something went wrong on our side
problem-internal-text = Nothing was changed.

## Applications

apps-none = You have not registered any Application yet
apps-none-hint = An application is what your keys belong to: one for each product that you integrate.
apps-app-id = App ID
apps-app-name = App Name
apps-enabled = enabled

## Add App

app-new-logo = Logo
app-new-pick-again = Pick the file again: a browser does not keep it.
app-new-logo-hint = JPG or PNG, up to 100 KB and 1,536 pixels a side. It is drawn anew, without what else is in the file.
# $message: says that the product asks for the company first.
app-new-company-by-others = { $message } An owner or admin can describe it under Company.
app-new-company-saved = The company is saved. Add App goes on here.
app-new-name-taken = is taken: another app of this product has it

## Settings of an application

settings-application-id = Application id
settings-remove-the-logo = Remove the logo
settings-domains = Domains
settings-domains-what = The pages that may use this application's keys, as exact origins.
settings-domains-none = None is listed, so every page may, where a key does not say otherwise itself.
settings-domains-listed = A page that is not in the list is refused, whichever key it has; a key that has origins of its own asks for those as well.
settings-new-domain = New domain
settings-add-domain = Add domain
settings-providers = Providers
settings-providers-what = The providers that a payment or payout of this application may name.
settings-providers-none = None is chosen, so every one may be.
# $count: how many are chosen.
settings-providers-count = { $count ->
        [one] One is chosen. A call that names another is refused, whichever key it has.
       *[other] { $count } are chosen. A call that names another is refused, whichever key it has.
    }
settings-providers-legend = Without a mark at any of them, all are allowed
settings-providers-save = Save providers
settings-providers-later = Where the customer chooses on the vendor's own page, the call names none and is let through.
settings-disable-title = Disable the application
settings-disable-what = Every request with one of its keys is refused from then on, until the application is enabled again. The keys stay.
settings-disable = Disable
settings-enable-title = Enable the application
settings-enable-what = Its keys work again at once.
settings-enable = Enable
settings-title = Settings of { $app }
settings-domain-hint = Up to { $most }. Scheme, host and port have to be the same; http is for localhost in test mode alone.
# What the role of the person is called.
settings-domains-not-while-live = Your role, { $role }, does not change them while a live key works.
settings-domains-not-by-role = Your role, { $role }, does not change them.
settings-not-by-role = Your role, { $role }, does not change applications.
settings-done-enabled = The application is enabled. Its keys work.
settings-done-disabled = The application is disabled. No request with its keys is accepted.
settings-done-domain-added = The domain is added. A page that is not in the list is refused from here on.
settings-done-domain-removed = The domain is removed. Its next request is refused while the list names another.
settings-done-domain-last = The last domain is removed. Every page may use the keys again.
settings-done-providers = The providers are saved. A call that names another is refused from here on.
settings-done-providers-all = The list is empty. Every provider may be used again.
settings-act-remove-domain = Remove domain
# What the role of the person is called.
settings-providers-not-by-role = Your role, { $role }, does not choose them. An owner or admin does.
# $problem: the end of a sentence.
settings-providers-wrong = The list { $problem }.
# $problem: the end of a sentence, such as "is in the list already".
settings-domain-wrong = A domain { $problem }.

## Overview

overview-range = Range
overview-what-to-do-next = What to do next
overview-done = done
overview-allowed = Allowed
overview-denied = Denied
overview-no-live-requests = Each call with a live key of this application is counted here.
overview-as-table = The same as a table
overview-requests-over-time = Requests over time
# Heads a column beside "Allowed": how many of those were answered with 400 or above.
overview-failed = of them 400 or above
overview-why-denied = Why requests were denied
overview-kept-title = Transactions of the sandbox
overview-number = Number
# $mode is test or live.
overview-title = { $app }, { $mode ->
        [live] Live
       *[test] Test
    }
overview-not-by-role = Your role, { $role }, does not see requests. An owner or admin of { $merchant } can change it.
# $span, here and below: 24 hours, 7 days or 30 days, as they are called below.
overview-numbers = Numbers of the last { $span }
overview-no-requests = No { $mode ->
        [live] Live
       *[test] Test
    } requests in the last { $span }
overview-no-test-requests = Each call with a test key of this application is counted here. <a>Make one</a>
overview-chart = Requests over the last { $span }; the table below has the same numbers
overview-bar = { $time } UTC: { $allowed } allowed, { $denied } denied
overview-kept = last { $span }
overview-kept-newest = last { $span }, the newest { $most }
overview-hour = 1 hour
overview-day = 24 hours
overview-week = 7 days
overview-month = 30 days
overview-year = 12 months
# $delta: such as +12 %.
overview-against = { $delta } against the { $span } before
# $rate: such as 99.2 %.
overview-before = { $rate } before
# The time within which 95 of 100 answers were there.
overview-p95 = p95 { $duration }
# The time within which half of the answers were there.
overview-p50 = Latency, p50
overview-success-rate = Success rate
overview-success-what = let in and answered below 400
overview-step-register = Register the application
overview-step-key = Generate a test key and save its secret
overview-step-call = Make the first call

## Start here: the first call

start-step-key = 1. A test key
start-no-key = This application has no test key yet. The samples below get its id once there is one.
start-another-key = Another key
start-use-it = Use it
start-secret-hint = The secret was shown when the key was generated. Give it to the samples in an environment variable; typed like this it stays out of the shell's history:
start-step-call = 2. The call
start-language = Language
start-step-arrival = 3. Its arrival
start-nothing-to-wait-for = Without a key there is nothing to wait for.
start-see-overview = See it in the overview
start-title = Start here with { $app }
start-first-call = The first call to { $product }, in test mode. No money moves.
start-no-key-by-others = This application has no test key yet. An owner, admin or developer of { $merchant } generates one.
start-samples-use = The samples use <code>{ $key }</code>
# $call: such as GET /orders. $note: a whole sentence, one of those below.
start-call = <code>{ $call }</code> at <code>{ $address }</code>. { $note }
start-no-sample = No sample is kept for the way in which this product signs. <code>keymint request --dry-run</code> prints a signed request to compare with.
start-run = Run it with <code>{ $command }</code>
start-waiting = Waiting for the first call with <code>{ $key }</code>. <a>Reload</a>
start-arrived = <strong>Your first call arrived.</strong>
# $status: such as 200. $ago: such as 2 minutes ago.
start-newest-answered = The newest: <a><code>{ $call }</code></a>, answered { $status }, <time>{ $ago }</time>.
# $reason: such as wrong secret.
start-newest-denied = The newest: <a><code>{ $call }</code></a>, denied: { $reason }, <time>{ $ago }</time>.
start-last-used = The key was last used { $when }.
# $advice: a sentence that says what to do.
start-denied = <strong>A call arrived and was denied: { $reason }.</strong> { $advice } <a>See the request</a>, <time>{ $ago }</time>.
start-gateway-local = The gateway of this Keymint listens on this machine alone.
start-gateway-derived = This address is derived from that of this page and the gateway's port. Ask your operator whether your servers reach the gateway under another.

## API keys

keys-none-hint = A key is a key id, which may be seen, and a secret, which is shown once.
keys-key = Key
keys-retiring-stops = It stops
# What follows "It stops" and "The old key stops", and is chosen from a list.
keys-stops-now = now
keys-stops-in-a-day = in 24 hours
keys-stops-in-a-week = in 7 days
keys-move-the-end = Move the end
keys-old-stops = The old key stops
keys-regenerate-key = Regenerate Key
keys-revoke-what = From then on every request with this key is refused. Nothing brings it back.
keys-why = Why
keys-reason-unused = It is not used
keys-reason-compromised = It may be known to others
keys-reason-superseded = Another has taken its place
keys-reason-other = Another reason
keys-revoke-key = Revoke key
# $mode is test or live.
keys-title = { $mode ->
        [live] Live
       *[test] Test
    } API keys of { $app }
# $count: how many items of a list are open.
keys-go-live = { $count ->
        [one] One item
       *[other] { $count } items
    } of the <a>go-live checklist</a> for test mode { $count ->
        [one] is
       *[other] are
    } open. A Live key is made when they are done.
keys-not-by-role = Your role, { $role }, does not generate { $mode ->
        [live] Live
       *[test] Test
    } keys. An owner or admin of { $merchant } does.
keys-none = No { $mode ->
        [live] Live
       *[test] Test
    } keys
keys-list = { $mode ->
        [live] Live
       *[test] Test
    } keys
keys-exposed = Exposed
# $when: a moment.
keys-exposed-advice = Sent over plain HTTP on <time>{ $when }</time>: others can have read the secret. Regenerate this key and let it stop now.
keys-until = until <time>{ $day }</time>
# $when: a moment, or never.
keys-has-successor = Its successor has been issued. Last used: { $when }.
keys-issues-successor = Issues a successor. Last used: { $when }.
# What a key is, in one word. Retiring: its successor has been issued, and for a while both work.
keys-active = active
keys-retiring = retiring
keys-revoked = revoked
keys-expired = expired
keys-done-added = The application is registered. Generate its first key here.
keys-done-shown = This key has been shown already, once. Regenerate it if its secret was not saved.
keys-done-changed = Saved. What is narrower now is so for every request from here on.
keys-done-moved = The end is moved.
keys-done-revoked = The key is revoked. No request with it is accepted any more.
keys-act-generate = Generate the Live key
keys-act-regenerate = Regenerate the Live key
keys-act-move-end = Move the end of the Live key
# $field: the name of the setting, as the API has it.
keys-field-wrong = { $field } { $problem }.

## A new key, shown once

key-shown-once = The secret is shown this once. Keep it where your server reads it, and nowhere else.
key-shown-secret = Secret
key-shown-download = Download
key-shown-saved = I have saved the key
# $mode is test or live.
key-shown-title = Your new { $mode ->
        [live] Live
       *[test] Test
    } key
key-shown-old-stopped = { $key } has stopped working.
key-shown-old-works = { $key } works until { $until }.

## Name, expiry and restrictions of a key

key-last-day = Last day
key-last-day-hint = The key stops at the end of that day (UTC).
key-allowed-addresses = Allowed addresses
key-allowed-addresses-hint = One a line, such as 203.0.113.7 or 203.0.113.0/24. Empty: every address.
key-allowed-origins = Allowed origins
key-allowed-origins-hint = One a line, such as https://shop.example. Empty: every origin, or the application's domains where it lists some.
key-scopes = Scopes
key-scopes-hint = One a line. Empty: every call.
key-not-by-role = Your role, { $role }, does not change this key.
key-day-wrong = must be a day such as 2027-01-31
key-act-change = Change the Live key

## The go-live checklists of an application

go-live-title = Going live with { $app }
go-live-none = No checklist
go-live-none-hint = { $product } asks for nothing to be gone through before going live.
go-live-what = What Keymint sees is marked by itself, from your requests, your sandbox and your webhooks of the last weeks. What only you can know, you mark.
go-live-in-test = In test mode, before the first Live key
go-live-in-live = In live mode
go-live-count = { $done } of { $all } done
# $count: how many items are open.
go-live-blocks = { $count ->
        [one] One required item
       *[other] { $count } required items
    } of test mode { $count ->
        [one] is
       *[other] are
    } open. A Live key is made when they are done.
go-live-ready = Everything that test mode asks for is done. <a>Live keys</a> can be made once the merchant is approved.
go-live-recommended = recommended
go-live-ticked = Marked as done <time>{ $when }</time>
go-live-seen = Keymint has seen it
go-live-by-hand = You mark it yourself
go-live-waits = Keymint marks it when it happens
go-live-done = done
go-live-open = open
go-live-reopen = Mark as open
# Read aloud in the place of "Mark as open". $what: an item.
go-live-reopen-named = Mark as open: { $what }
go-live-done-ticked = The item is marked as done.
go-live-done-unticked = The item is open again.

## The gateways of an application

gateways-title = Payment gateways of { $app }
gateways-what = A gateway tells { $product } what became of a payment by posting to the URL. Paste URL and secret into the gateway's own webhook settings, then mark it as done.
gateways-none = No gateways
gateways-none-hint = { $product } hears from no gateway of yours.
gateways-test = These are of test mode: what is posted moves payments of the sandbox. In live mode your gateways post to the payments service behind { $product }.
gateways-url = URL
gateways-secret = Secret
gateways-no-secret = None yet: nothing that is posted is taken.
gateways-made = Made <time>{ $when }</time>. It was shown once.
gateways-make = Make a secret
gateways-roll = Make another secret
gateways-roll-what = What the old one signs is refused from then on.
gateways-marked = Marked as done <time>{ $when }</time>
gateways-done = done
gateways-open = not done
gateways-done-marked = The gateway is marked as done.
gateways-done-reopened = The gateway is marked as not done.
gateways-reopen = Mark as not done
# Read aloud in the place of "Mark as not done". $what: a gateway.
gateways-reopen-named = Mark as not done: { $what }
gateways-shown-title = Secret for { $gateway }
gateways-shown-once = The secret is shown this once. Paste it into the gateway's webhook settings.
gateways-shown-saved = I have saved the secret
# Read aloud in the place of "Copy". $what: a gateway.
gateways-copy-url = Copy the URL for { $what }
gateways-not-by-role = Your role, { $role }, does not change them.
settings-gateways = Payment gateways
settings-gateways-what = Where your gateways tell { $product } what became of a payment, and with which secret.
settings-gateways-open = Set up the gateways
refusal-no-gateways = { $product } hears from no gateway of that name.

key-needs-phone = The addresses of a Live key are saved with two codes, one to your phone and one to your mail. Your account has no phone yet: add it in another tab, then save again. What you typed stays here.
key-add-phone = Add a phone
address-codes-title = Save the addresses
address-codes-sent = Two codes of six digits are on their way: one to your phone { $phone }, one to { $mail }.
address-codes-of-key = They save these addresses of { $key }, and nothing else.
address-codes-none = Every address may use the key from then on.
address-codes-phone = Code from the text message
address-codes-mail = Code from the mail
address-codes-wrong = These codes are not right, or were used, or are too old.
address-codes-send-again = Send new codes
address-codes-no-post = The addresses of a Live key are saved with a code by text message and one by mail, and this Keymint does not send both. Its operator saves them by the management API.

## Transactions

transactions-download = Download:
transactions-no-live = No upstream is configured for live mode
transactions-no-live-hint = Live transactions stand here once the operator of this Keymint has connected its payments service.
transactions-transaction-id = Transaction ID
transactions-none-match = No transactions match these filters
transactions-none = No transaction yet
transactions-show-all = Show all transactions
transactions-none-hint = Each order or payment that a test key of this application makes in the sandbox stands here.
transactions-creation-date-utc = Creation date (UTC)
transactions-last-update = Last update
transactions-payment-mode = Payment mode
transactions-currency = Currency
transactions-amount = Amount
transactions-minor-units = minor units
transactions-amount-in-minor-units = Amount in minor units
transactions-creation-date = Creation date
transactions-minor-units-of-currency = in minor units of the currency
transactions-as-kept = As the sandbox keeps it
transactions-title = Transactions of { $app }
transactions-from-missing = Choose From as well: a range has at most { $most } days.
transactions-range-too-long = A range has at most { $most } days; this one has { $days }.

## Webhooks

webhooks-title = Webhooks of { $app }
webhooks-not-sent = { $product } sends no webhooks
webhooks-not-sent-hint = What becomes of a payment is asked for, not told.
# $mode is test or live.
webhooks-none = No { $mode ->
        [live] Live
       *[test] Test
    } endpoint
webhooks-none-hint = An endpoint is an address of your server. Keymint calls it when something happens, signs what it sends, and tries again while your server does not take it.
webhooks-list = Endpoints
# What the role of the person is called.
webhooks-not-by-role = Your role, { $role }, does not change endpoints.
webhooks-full = There are { $most } { $most ->
        [one] endpoint
       *[other] endpoints
    }, and no more in one mode. Delete one to add another.
webhooks-add = Add endpoint
webhook-url = URL
webhook-url-example = https://shop.example/webhooks
webhook-url-hint = An address of your server that the Internet reaches.
# $problem: the end of a sentence, such as "must begin with https://".
webhook-plain-http = This address is not https: everybody on the way can read what is sent, and change the answer. Use https before you go live.
webhook-url-wrong = The URL { $problem }.
webhook-secret-wrong = The secret { $problem }.
webhook-events = Events
webhook-events-hint = With none chosen it gets all of them.
webhook-all-events = All events
webhook-events-count = { $count } { $count ->
        [one] event
       *[other] events
    }
webhook-ordered = One after the other: an event waits until those before it about the same payment or order are taken or given up
webhook-alert-email = Alert email
webhook-alert-hint = Who hears when the endpoint is disabled because it fails. Without one, the owners do.
webhook-secret = Secret
webhook-secret-made-hint = Without one, Keymint makes one and shows it once.
webhook-secret-chosen-hint = It signs what is sent. Without one, nothing is signed. 8 to 128 characters.
webhook-secret-choose-hint = 8 to 128 characters without spaces.
webhook-signature = Signature
webhook-signature-hmac = A secret that both sides have (HMAC-SHA-256)
webhook-signature-ed25519 = A key pair: your server has the public key alone (Ed25519)
webhook-signed-by-pair = Signed with a key pair (Ed25519). Check with the public key:
webhook-signed-by-key = Signed with the secret of the API key: a new key signs at once.
webhook-signed-by-own = Signed with the endpoint's own secret.
webhook-not-signed = Not signed: the endpoint has no secret.
webhook-enabled = enabled
webhook-failing = failing
webhook-deleted = deleted
webhook-waiting = waiting
webhook-delivered = delivered
webhook-failed = failed
webhook-held = held
webhook-dropped = dropped
webhook-act-add = Add the Live endpoint
webhook-act-change = Change the Live endpoint
webhook-act-enable = Enable the Live endpoint
webhook-act-disable = Disable the Live endpoint
webhook-act-roll = Roll the secret of the Live endpoint
webhook-act-delete = Delete the Live endpoint
webhook-done-added = The endpoint is added. What happens from here on is sent to it.
webhook-done-rolled = The new secret signs what happens from here on.
webhook-done-enabled = The endpoint is enabled. What was held in the last day is sent.
webhook-done-disabled = The endpoint is disabled. What waits for it is held.
webhook-done-tested = The test event is on its way.
webhook-done-resent = { $count ->
        [0] There was nothing to send.
        [one] { $count } event is sent once more.
       *[other] { $count } events are sent once more.
    }
webhook-done-one-resent = The event is sent once more.
webhook-done-deleted = The endpoint is deleted. Nothing more is sent to it.

## A secret of a webhook, shown once

webhook-shown-title = The endpoint's secret
webhook-shown-once = The secret is shown this once. Your server checks with it that a call is from here.
webhook-shown-saved = I have saved the secret

## One endpoint

endpoint-title = An endpoint of { $app }
endpoint-id = Endpoint id
endpoint-deliveries = Deliveries
endpoint-event = Event
endpoint-send-test = Send test event
endpoint-no-deliveries = Nothing was sent yet
endpoint-no-deliveries-hint = A test event has the shape of a real one, and is signed like one.
endpoint-tries = Tries
endpoint-next-try = Next try
endpoint-resend-what = What was not taken in
endpoint-last-hour = the last hour
endpoint-last-day = the last 24 hours
endpoint-last-week = the last 7 days
endpoint-last-days = the last { $days } days
endpoint-resend = Resend
endpoint-edit = Change the endpoint
endpoint-roll = Roll the secret
endpoint-roll-what = The new secret signs what happens from then on. What happened before is signed with the old one, on every try.
endpoint-roll-overlap = Both secrets sign until the old one stops, so your server can change over in between.
endpoint-new-secret = New secret
endpoint-old-stops = The old one stops
endpoint-disable-title = Disable the endpoint
endpoint-disable-what = It gets nothing from then on. What waits for it is held, and sent when it is enabled within a day.
endpoint-enable-title = Enable the endpoint
endpoint-enable-what = What happens from then on is sent to it, and what was held in the last day.
endpoint-delete-title = Delete the endpoint
endpoint-delete-what = Nothing more is sent to it, and what waits for it never is.
endpoint-delete = Delete endpoint

## One delivery

delivery-title = Delivery of { $event }
delivery-event-id = Event id
delivery-attempts = Tries
delivery-no-attempts = It was not tried yet.
delivery-number = Try
delivery-took = Took
delivery-milliseconds = { $count } ms
delivery-what = What came of it
delivery-taken = taken
delivery-heads = Header fields
delivery-request = Of the request
delivery-answer = Of the answer
delivery-sent = What is sent

## Logs

logs-export = Export:
logs-refresh = Refresh
logs-denied-because = Denied because
logs-any-decision = Any decision
logs-none-match = No requests match these filters
logs-none = No requests
logs-show-all = Show all requests
logs-none-hint = Every request with a key of this application stands here, and for a denied one why.
logs-decision = Decision
logs-request = Request
logs-title = Logs of { $app }
# A switch: newer requests appear as they come. Not the mode.
logs-live = Live

## One request

log-entry-its-requests = Its requests
log-entry-scheme = Scheme
log-entry-not-written-down = not written down
log-entry-latency = Latency
log-entry-request-id = Request id
log-entry-never-kept = Secrets, bodies and queries are never written down, and neither are long runs of letters and digits in a path.
# $reason: such as wrong secret.
log-entry-denied = Denied: { $reason }

## Company

company-first = The product asks for the company before its first application. Save the profile, and Add App goes on where it was.
company-none = Nobody has described the company yet
company-by-others = An owner or admin of { $merchant } can do it here.
company-not-by-role = Your role, { $role }, does not change the company.
company-name = Company name
company-website = Website
# $code: the number that the vendor gives to this refusal.
company-numbered = { $problem } ({ $product } code { $code })

## Activation

activation-what-the-reviewer-said = What the reviewer said
activation-what-live-mode-needs = What live mode needs
activation-done = Done
activation-not-yet = Not yet
activation-company = The company is described.
activation-called = An application is enabled, and has been called with a test key.
activation-factor = You have a second factor: whoever generates Live keys needs one.
activation-approved = The operator has approved the business.
activation-says-pending = A reviewer looks at this business. Until then everything works in test mode.
activation-says-approved = Live keys can be generated, by an owner or an admin with a second factor.
activation-says-rejected = Live mode was refused. Test mode goes on; answer the reviewer below.
activation-says-suspended = Live keys are refused until the suspension ends. Test mode goes on.
activation-is-pending = pending
activation-is-approved = approved
activation-is-rejected = rejected
activation-is-suspended = suspended

## Audit log

audit-none = No entries
audit-none-hint = Whatever somebody changes at this merchant stands here.
audit-what = What
audit-who = Who
audit-to-what = To what
audit-details = Details
audit-app-changed = Changed an application
audit-app-disabled = Disabled an application
audit-app-domains-changed = Changed an application's domains
audit-app-enabled = Enabled an application
audit-app-go-live-ticked = Ticked an item of the go-live checklist
audit-app-go-live-unticked = Took the tick of an item of the go-live checklist away
audit-app-gateway-marked = Marked a gateway as done
audit-app-gateway-reopened = Marked a gateway as not done
audit-app-gateway-secret-made = Made the secret of a gateway
audit-app-made = Added an application
audit-app-providers-chosen = Chose an application's providers
audit-company-described = Described the company
audit-credential-changed = Changed a key
audit-credential-end-moved = Moved the end of a key
audit-credential-issued = Generated a key
audit-credential-revoked = Revoked a key
audit-credential-rolled = Regenerated a key
audit-merchant-activation = Decided about live mode
audit-merchant-made = Made the merchant
audit-page-viewed = Saw a page
audit-role-changed = Changed a role
audit-role-deleted = Deleted a role
audit-role-made = Made a role
audit-team-declined = Declined an invitation
audit-team-factors-reset = Reset a member's second factors
audit-team-invited = Invited somebody
audit-team-joined = Joined the team
audit-team-left = Left the team
audit-team-removed = Took somebody out of the team
audit-team-role-changed = Changed somebody's role
audit-team-rule-changed = Changed the rule about second factors
audit-team-unlocked = Unlocked a member
audit-team-withdrawn = Withdrew an invitation
audit-token-made = Made an API token
audit-token-revoked = Revoked an API token
audit-user-made = Made an account
audit-webhook-changed = Changed a webhook endpoint
audit-webhook-deleted = Deleted a webhook endpoint
audit-webhook-disabled = Disabled a webhook endpoint that kept failing
audit-webhook-event-given-up = Gave up sending a webhook
audit-webhook-made = Added a webhook endpoint
audit-webhook-resent = Sent a webhook once more
audit-webhook-secret-rolled = Rolled the secret of a webhook endpoint
audit-app-return-secret-made = Made a new secret for returns
audit-app-test-clock-moved = Moved the app's test clock
audit-webhook-tested = Sent a test webhook
audit-webhook-triggered = Set off a test event
audit-by-former = Somebody who left
audit-by-operator = The operator
audit-by-token = An API token

## Team

team-role = Role
team-invite = Invite
team-members = Members
team-since = Since
# Beside the own name in the list.
team-you = you
team-locked = locked: too many wrong codes
team-leave = Leave
team-take-out = Take out of the team
team-unlock = Unlock
team-reset-what = Lost phone or authenticator: ends every sign-in of this person, who then sets up a new second factor.
team-reset = Reset the second factors
# A heading: who has been invited.
team-invited = Invited
team-sent = Sent
team-expired = expired
team-send-again = Send again
team-withdraw = Withdraw
team-second-factors = Second factors
team-rule-on = Everybody in this team needs a second factor. Whoever has none is led to set one up before anything else.
team-rule-off = Members without a second factor may use the console; Live keys and the team need one in any case.
team-turn-rule-off = Let members go without
team-turn-rule-on = Require a second factor
team-not-by-role = Your role, { $role }, sees the team. An owner changes it.
team-done-invited = The invitation is on its way.
team-done-withdrawn = The invitation is withdrawn.
team-done-changed = The role is changed.
team-done-removed = Taken out of the team.
team-done-unlocked = The codes of this person are looked at again.
team-done-reset = The second factors are gone, and every sign-in of this person has ended.
team-done-rule = The rule is set.
team-act-withdraw = Withdraw the invitation
team-act-rule = Go on
team-rule-password = is needed as well: type it, and the rule is set

## Roles

# A heading over what a role may do.
roles-may = May
roles-see = See applications, keys and the team
roles-yes = yes
roles-no = no
roles-own = A role of your own
roles-begin-with = Begin with:
roles-live-stay = Live keys and the team stay with owners and admins.
roles-make = Make the role
roles-change-a-role = Change a role
roles-change-what = The change holds for everybody who has this role, from their next page on.
roles-unused = Nobody has the role { $role }.
roles-delete = Delete { $role }
roles-not-by-role = Your role, { $role }, sees the roles. An owner changes them.
roles-done-made = The role is there. Give it to somebody on the Team page.
roles-done-changed = The role is changed, for all who have it.
roles-done-deleted = The role is deleted.
roles-company = Change the company
roles-providers = Choose the providers of applications
roles-live-keys = Generate and regenerate Live keys
roles-team = Manage the team
roles-requests = See and export request logs
roles-audit = See the audit log
roles-apps = Add, change and disable applications
roles-test-keys = Generate, regenerate and revoke Test keys
roles-revoke-live = Revoke Live keys
roles-act-delete = Delete the role

## Invitations

invitations-none = No invitations
invitations-accept = Accept
invitations-decline = Decline
invitations-how = An owner of a team invites you by your address, { $address }; the invitation then stands here.
invitations-as = You are invited as { $role }.

## Security

security-needed = What you were about to do needs a second factor. Set one up here, then do it again.
security-passkeys = Passkeys
security-passkeys-what = Kept by your device, your phone or a security key, and opened with its lock. You can sign in with one alone, and it is asked for before any code. Nobody can be talked into giving it away.
security-added-utc = Added (UTC)
security-last-used-utc = Last used (UTC)
security-added = Added
security-device-lost = A device can be lost. Recovery codes open your account without it, each one time.
security-renew-codes = Make new recovery codes
security-no-passkeys = This Keymint cannot ask for passkeys any more. Its operator can change that.
security-passkey-name = Name of the passkey
security-passkey-example = Laptop
security-authenticator-on = Set up. It is asked for when you sign in, and for live keys and the team.
security-authenticator-what = An app on your phone that shows a new code every 30 seconds. The safest of the codes, and it works without a network.
security-phone-number = Phone number
security-another-phone-number = Another phone number
security-no-sms = No text messages go out from here. Use an authenticator app.
security-codes-by-mail = Codes by mail
security-mail-codes-what = The weakest of the second factors. Codes by mail: whoever reads your mail can also reset your password, so an authenticator app or a passkey is safer. After a password was reset by mail, codes by mail do not count for 24 hours.
security-turn-mail-codes-off = Turn codes by mail off
security-current-password = Current password
security-password-hint = At least 15 characters. Every other sign-in ends.
security-change-password = Change password
security-sessions = Where you are signed in
security-sign-ins = Sign-ins
security-since-utc = Since (UTC)
security-last-seen-utc = Last seen (UTC)
security-this-one = this one
security-end = End
security-sign-out-everywhere-else = Sign out everywhere else
security-mail-rests = You have set your password anew with a code by mail. Until { $until } you can sign in with codes by mail, but they do not count for live keys, the team and what is changed on this page: whoever reads your mail could have done the same. If it was not you, write to your owner.
security-proved = You have confirmed that it is you. That covers your acts for { $minutes ->
        [one] 1 more minute
       *[other] { $minutes } more minutes
    }.
# $phone: the number with its middle left out.
security-phone-gets = { $phone } gets a code by text message where no authenticator app is set up.
security-mail-gets = { $address } gets a code where no passkey, authenticator app or phone is set up.
security-done-password = The password is changed. Every other sign-in has ended.
security-done-sessions = Ended.
security-done-authenticator = The authenticator app is removed.
security-done-phone = The phone is verified.
security-done-mail-codes = Codes by mail are turned on.
security-done-mail-codes-off = Codes by mail are turned off.
security-done-passkey = The passkey is added. You can sign in with it.
security-done-passkey-removed = The passkey is removed. Remove it from your device, too.
security-act-remove-authenticator = Remove the authenticator app

## Setting up an authenticator app

authenticator-scan = Scan this with the app, or type the key below into it.
authenticator-picture = The key as a picture for the app
authenticator-code = The code that the app shows now
# $problem: the end of a sentence.
authenticator-code-wrong = This code { $problem }.

## Recovery codes

recovery-title = Recovery codes
recovery-yours = Your recovery codes
recovery-once = Shown this once. Each opens your account one time when the authenticator app or the passkey is lost. Keep them apart from your password.
recovery-saved = I have saved the codes

## Confirm your phone

phone-title = Confirm your phone

## Codes by mail

mail-codes-confirm = Turn on

## Search

jump-title = Search
jump-ask = What are you looking for
jump-ask-hint = The id of a key or of an application leads straight to it. Or type a part of a name.
jump-nothing-found = Nothing found
jump-matches = Matches for <strong>{ $words }</strong>
jump-more = There are more. Type more letters.
jump-found-nothing = Nothing that this account may see has this id, or these letters in its name: <strong>{ $words }</strong>
# Stands beside Security, where another place has the name of a business.
jump-you = You

## Outbox (keymint dev)

outbox-title = Outbox
outbox-none = Nothing yet
outbox-none-hint = Codes for new accounts, passwords and phones land here.
outbox-dev = In <code>keymint dev</code> nothing leaves this machine.
outbox-what = Mail and text messages that would have been sent.
# $kind: Mail or SMS.
outbox-letter = { $kind } to <strong>{ $to }</strong>, <time>{ $at }</time>
outbox-mail = Mail
outbox-sms = SMS

## Times

# $moment: such as 2026-11-21 15:28.
moments-utc = { $moment } UTC
moments-now = just now
moments-seconds = { $count ->
        [one] { $count } second
       *[other] { $count } seconds
    } ago
moments-minutes = { $count ->
        [one] { $count } minute
       *[other] { $count } minutes
    } ago
moments-hours = { $count ->
        [one] { $count } hour
       *[other] { $count } hours
    } ago
moments-days = { $count ->
        [one] { $count } day
       *[other] { $count } days
    } ago
# The months in short, as in 21 Nov.
moments-jan = Jan
moments-feb = Feb
moments-mar = Mar
moments-apr = Apr
moments-may = May
moments-jun = Jun
moments-jul = Jul
moments-aug = Aug
moments-sep = Sep
moments-oct = Oct
moments-nov = Nov
moments-dec = Dec

## Why a request was denied, and what to do

advice-missing-credentials = Send the credentials where the product looks for them.
advice-malformed-credentials = The credentials do not have the product's form. Compare with a sample.
advice-unknown-key = There is no such key. Compare the key id with the one in the list.
advice-wrong-secret = Compare the secret your server reads with the one you saved, or regenerate the key.
advice-wrong-signature = Sign the bytes that are sent, with the secret of this key id; `keymint request --dry-run` shows how.
advice-stale-timestamp = Set the server's clock; sign just before sending.
advice-replayed = Sign each request anew; a signature counts once.
advice-revoked = Use the successor, or generate a key.
advice-expired = Its time is over. Generate a key.
advice-wrong-mode = Send test keys to the sandbox's address and live keys to the live one.
advice-insecure-transport = Live keys work over https only. Where the secret itself was sent, regenerate the key: others can have read it.
advice-ip-not-allowed = The address is not on this key's list.
advice-origin-not-allowed = The origin is not on this key's list.
advice-scope-missing = No scope of this key covers the call.
advice-test-card-in-live = The call carries a card of the vendor's test data. Test cards pay in test mode, with a test key.
advice-provider-not-allowed = The call names a provider that the application may not use, or none. Its list is in the settings.
advice-rate-limited = Send fewer requests at a time, and wait before trying again.
advice-app-disabled = Enable the application.
advice-merchant-suspended = Live keys work while the merchant is approved.
advice-refresh-expired = Buy a new pair of tokens with the key.
advice-wrong-app = Use the key of the application that the address names.
advice-ambiguous-request = Send the request as a plain HTTP client does; a proxy may have rewritten it.
advice-unsupported-media-type = Send the content type that the product takes, application/json.
advice-body-too-large = Send a smaller body.
advice-body-too-slow = The body did not arrive in time. Look at the network between.
advice-route-not-found = Nothing is at this path. Compare it with the product's reference.
advice-method-not-allowed = The path takes another method.
advice-no-upstream = The operator has not connected live mode yet.
advice-upstream-failed = The service behind the product broke off. Try again if the call may be repeated.
advice-upstream-timeout = The service behind the product did not answer in time. Ask it what became of the call.
advice-upstream-unavailable = The service behind the product is away. Try again shortly.
advice-unavailable = Keymint could not decide at that moment. Try again; tell the operator if it stays.
advice-internal = A fault on our side. Tell the operator the request id.
reason-missing-credentials = missing credentials
reason-malformed-credentials = malformed credentials
reason-unknown-key = unknown key
reason-wrong-secret = wrong secret
reason-wrong-signature = wrong signature
reason-stale-timestamp = stale timestamp
reason-replayed = replayed
reason-revoked = revoked
reason-expired = expired
reason-wrong-mode = wrong mode
reason-insecure-transport = insecure transport
reason-ip-not-allowed = ip not allowed
reason-origin-not-allowed = origin not allowed
reason-scope-missing = scope missing
reason-test-card-in-live = test card in live mode
reason-provider-not-allowed = provider not allowed
reason-rate-limited = rate limited
reason-app-disabled = app disabled
reason-merchant-suspended = merchant suspended
reason-refresh-expired = refresh expired
reason-wrong-app = wrong app
reason-ambiguous-request = ambiguous request
reason-unsupported-media-type = unsupported media type
reason-body-too-large = body too large
reason-body-too-slow = body too slow
reason-route-not-found = route not found
reason-method-not-allowed = method not allowed
reason-no-upstream = no upstream
reason-upstream-failed = upstream failed
reason-upstream-timeout = upstream timeout
reason-upstream-unavailable = upstream unavailable
reason-unavailable = unavailable
reason-internal = internal
advice-fix-compare-key = Compare or regenerate the key
advice-fix-generate = Generate a key
advice-fix-keys = See the keys
advice-fix-key = See the key
advice-fix-providers = See the providers
advice-fix-sample = Compare with a sample

## What is wrong with what was typed: each is the end of a sentence that begins with the name of the field

# Characters.
input-length = must have { $least } to { $most } characters
input-logo-too-large = must have at most { $most } KB
input-logo-unreadable = cannot be read: it is damaged, or more than 1,536 pixels wide or high
input-empty = is empty
input-logo-kind = must be a JPG or PNG picture
input-password-short = must have at least { $least } characters; a few words in a row will do
input-password-long = may have at most { $most } bytes
input-password-weak = is easy to guess; a few words that do not belong together are hard to
input-control = must not hold control characters
input-email = must be an email address such as name@example.com
input-country = must be a country code of two letters (ISO 3166-1), such as IN or DE
input-address-block = `{ $text }` is not an address or CIDR block such as 203.0.113.0/24 or 2001:db8::/32
input-addresses-most = at most { $most } addresses
input-origin = `{ $text }` is not an origin such as https://shop.example (scheme, host, optional port; no path)
input-origins-most = at most { $most } origins
input-domain = must be an origin such as https://shop.example: scheme, host in lower case, a port if it is not 443, nothing behind it; http for localhost alone
input-domains-most = would be one too many: an application has at most { $most }
input-scope = `{ $text }` is not a scope of this product; it has { $known }
input-domain-listed = is in the list already
input-domain-unlisted = is not in the list
input-no-providers = must be empty: the product has no list of providers
# $known: the providers there are.
input-provider = must be out of { $known }
input-website = must be an address such as https://shop.example
input-product = must be one of { $names }
# $code: the number that the vendor gives to this refusal.
input-taken = is taken: another { $product } application has it ({ $product } code { $code })
input-authenticator-code = is not the one that the app shows now; check that the telephone's clock is right
input-future = must be in the future
# $most: seconds.
input-grace = must be 0 to { $most } for { $product }
input-idempotency-key = must be 1 to 255 printable characters without spaces
input-phone = must be a number with its country code, such as +91 98765 43210
input-role-name-taken = is the name of another role
input-role = must be owner, admin, developer, viewer or a role of this merchant
input-password-wrong = is not the one of this account
# $names: what was typed.
input-events = Invalid event name/names: { $names }
input-event-body = must have at most { $most } bytes
input-webhook-signature = must be `hmac`: this product has no key pairs for webhooks
input-webhook-secret-of-pair = cannot be chosen: Keymint makes the key pair
input-webhook-secret-of-key = cannot be chosen: the secret of the API key signs
input-webhook-secret = must have { $least } to { $most } printable characters without spaces
input-webhook-secret-whsec = must be `whsec_` and base 64, { $least } to { $most } characters in all
input-overlap = must be at most { $most } seconds
input-clock-back = must not be before what the clock shows
input-clock-far = may be at most ten years ahead
input-since = must be within the last 15 days
input-url-too-long = must have at most { $most } bytes
input-url = must be a URL such as https://shop.example/webhooks
input-url-https = must begin with https://
input-url-credentials = must not hold a user name or a password
input-url-fragment = must not hold a `#`
input-url-port = must have one of these ports: { $ports }
input-url-host = is not taken: webhooks are not sent to { $host }
input-url-private = is not taken: private ip found for host: { $host }, which is not an address on the public Internet

## What stands in the way of an act

refusal-company-first = { $product } asks for the profile of the company before its first application.
refusal-app-name-taken = This merchant has an app of that name for this product.
refusal-merchant-email-taken = Another merchant has this email address.
refusal-authenticator-exists = An authenticator app is set up already. Remove it first.
refusal-no-mail = No mail goes out from here. Use an authenticator app.
refusal-mail-codes-on = Codes by mail are turned on already.
refusal-mail-rests = You have set your password anew with a code by mail. Codes by mail can be turned on a day after that; an authenticator app or a passkey can be set up now.
refusal-product-removed = The product `{ $name }` is not configured any more.
refusal-app-disabled = The app is disabled. Enable it first.
# $state: one of the words of the page Activation.
refusal-activation = Live credentials need an approved merchant; this one is { $state }. Test credentials need nothing.
# $mode is test or live.
refusal-credential-exists = { $product } allows { $most } active credential(s) in { $mode } mode { $owner ->
        [merchant] for each merchant, whichever app it was issued for
       *[app] for each app
    }. Roll the one there is, or revoke it first.
# $count: how many items of a list are open.
refusal-go-live = { $count ->
        [one] One item
       *[other] { $count } items
    } of the go-live checklist for test mode { $count ->
        [one] is
       *[other] are
    } open. A Live key is made when they are done.
refusal-item-is-seen = Keymint sees by itself whether this is done; nobody ticks it.
refusal-credential-ended = This credential has ended; nothing brings it back. Issue a new one.
refusal-credential-retiring = This credential has a successor already. Roll that one, or revoke this one.
refusal-credential-active = This credential has no successor, and so no end. Roll it first.
refusal-idempotency-reused = This Idempotency-Key was used for another request. Use a new key for a new request.
refusal-idempotency-in-use = A request with this Idempotency-Key is under way. Repeat it in a moment.
refusal-address-has-account = This address has an account. Sign in, or set a new password.
refusal-is-member = This person is in the team already. Change the role below.
refusal-too-many-invitations = There are 100 open invitations. Withdraw some first.
refusal-you-are-member = You are in this team already.
refusal-too-many-owners = A merchant has three owners at most. Give one of them another role first.
refusal-last-owner = The last owner stays. Make somebody else an owner first.
refusal-first-owner = The first owner stays, unless they leave themselves.
refusal-own-role = Nobody does this to themselves. Another owner does it.
refusal-is-owner = An owner's second factors are reset by nobody here. Write to support.
refusal-other-teams = This person is in another team as well. They write to support.
refusal-last-owner-leaves = The last owner cannot leave. Make somebody else an owner first.
refusal-too-many-roles = There are 20 roles. Change one of them, or delete one first.
refusal-role-in-use = Somebody has this role, or is invited to it. Give them another one first.
refusal-no-webhooks = The product `{ $product }` sends no webhooks.
refusal-endpoints-most = An app has { $most } webhook { $most ->
        [one] endpoint
       *[other] endpoints
    } at most in each mode. Delete one first.
refusal-endpoint-edited = This endpoint was not written by this Keymint. Delete it and make a new one.
refusal-no-return-secret = The way back from the pages of { $product } is not signed with a secret of its own.
refusal-listeners = Too many listen at the moment. Try again in a minute.
refusal-endpoint-disabled = The endpoint is disabled. Enable it first.
refusal-key-signs = The secret of the API key signs here. Regenerate the key.
refusal-event-too-old = The event is older than 15 days.
refusal-account-exists = There is an account with this email address.
refusal-no-factor = Set up a second factor first.
refusal-no-passkeys = Passkeys are not set up at this Keymint. Its operator sets `listen.console_url`.
refusal-passkey = The passkey was not accepted. Begin again.
refusal-passkey-exists = This passkey is an account's already.
refusal-passkeys-most = An account has { $most } passkeys at most. Remove one that you do not use.

## What was in the way of a webhook

webhook-not-public = leads to { $address }, which is not an address on the public Internet
webhook-no-answer = no answer within { $milliseconds } ms
webhook-no-connection = no connection could be made
webhook-broken-off = the connection broke off
webhook-no-secret = there is no secret to sign with
webhook-no-header = a header could not be written
webhook-redirect = answered { $status }; redirects are not followed
webhook-answered = answered { $status }

## Mail and text messages

# The subject of what nobody asked for, to owners and admins. $subject: one of those below.
mail-notice = { $merchant }: { $subject }
mail-live-key = a live key was { $became ->
        [revoked] revoked
        [successor] generated in the place of another
       *[generated] generated
    }
mail-live-key-text = The live key { $key } of { $product } was { $became ->
        [revoked] revoked
        [successor] generated in the place of another
       *[generated] generated
    }. If you did not expect that, look at the audit log, and revoke the key.
mail-exposed = a live key was sent over plain HTTP
mail-exposed-text = The live key { $key } of { $product } was sent over plain HTTP, and its secret with it. The request was refused, but whoever sat on the way can have read it. Regenerate the key, let the old one stop now, and call https addresses only.
mail-activation = live mode was decided about
# $state: one of the words of the page Activation.
mail-activation-text = Live mode: { $state }. The Activation page of the console says what to do.
mail-activation-reason = Live mode: { $state }. What the reviewer said: { $reason } The Activation page of the console says what to do.
mail-account-exists = You have a Keymint account already
mail-account-exists-text = Somebody, perhaps you, wants to sign up at Keymint with this address. It has an account already: sign in, or set a new password there. If it was not you, nothing needs to be done.
# $code, here and below: the digits. Telephones look for them at the beginning.
mail-sign-up-text =
    { $code } is the code that confirms this address at Keymint. It is good for 10 minutes.

    If you did not sign up, nothing needs to be done.
mail-reset = A new password
mail-reset-text =
    { $code } is the code for a new password at Keymint. It is good for 10 minutes.

    If you did not ask for it, nothing needs to be done: your password stays.
mail-password-changed = Your password was changed
mail-password-changed-text = The password of your Keymint account was changed, and every other sign-in was ended. If that was not you, set a new one and write to your owner.
# A text message: 160 letters at most, or it is sent as two.
mail-phone-code-text = { $code } is the code that confirms this phone at Keymint.
# $phone: the number with its middle left out.
mail-phone-changed-text = { $phone } is now the phone of your Keymint account.
mail-phone-changed = Your phone was changed
mail-turn-on-text =
    { $code } turns codes by mail on for your Keymint account. It is good for 10 minutes.

    If that was not you, somebody knows your password: change it.
mail-webhook-failing = a webhook was disabled
mail-webhook-failing-text = The { $mode } webhook endpoint { $host } of { $app } was disabled after { $tries } { $tries ->
        [one] try
       *[other] tries
    } of one event: { $problem }. Nothing more is sent to it until somebody enables it in the console.
mail-codes-turned-on-text = Codes by mail are now the second factor of your Keymint account where it has no other. If that was not you, change your password and write to your owner.
mail-codes-turned-on = Codes by mail were turned on
mail-codes-turned-off-text = Codes by mail were turned off for your Keymint account. If that was not you, change your password and write to your owner.
mail-codes-turned-off = Codes by mail were turned off
mail-authenticator-removed-text = The authenticator app was removed from your Keymint account. If that was not you, change your password and write to your owner.
mail-authenticator-removed = Your authenticator app was removed
mail-invitation = Invitation to { $merchant }
mail-invitation-text = { $name } invites you to the Keymint team of { $merchant } as { $role }. Sign in with this address, or create an account with it, and accept the invitation there within 7 days.
mail-new-owner = there is a new owner
mail-new-owner-text = { $name } is an owner now. If you did not expect that, look at the team.
mail-factors-reset-text = An owner of your team took away the second factors of your Keymint account and ended your sign-ins. Sign in with your password and set up new ones. If you did not ask for that, write to the owner.
mail-factors-reset = Your second factors were reset
mail-code = Your code
# A text message: 160 letters at most, or it is sent as two.
mail-addresses = The addresses of a Live key
mail-addresses-sms-text = { $code } saves the addresses of { $key }, together with the code in your mail. Good for 10 minutes. Nobody of us asks for it.
mail-addresses-text =
    Somebody signed in as you saves the addresses that may use { $key }:

    { $addresses }

    This is the second half of what that takes; the other half went to your phone as a text message:

    { $code }

    It is good for 10 minutes. If that was not you, change your password: nothing is saved without both.
mail-addresses-all = every address
mail-sms-code-text = { $code } is your Keymint code. It is good for 10 minutes and for one act. Nobody of us asks for it.
mail-code-text =
    { $code } is your Keymint code. It is good for 10 minutes and for one act. Nobody of us asks for it.

    If you are not signing in or changing something right now, somebody knows your password: change it.
mail-passkey-added-text = The passkey "{ $name }" was added to your Keymint account. Whoever has it can sign in. If that was not you, remove it, change your password and write to your owner.
mail-passkey-removed-text = The passkey "{ $name }" was removed from your Keymint account. If that was not you, change your password and write to your owner.
mail-passkey-added = A passkey was added
mail-passkey-removed = A passkey was removed

## Roles that every merchant has

role-owner = owner
role-admin = admin
role-developer = developer
role-viewer = viewer

## Words that scripts show

# A button says it for two seconds after it was pressed.
script-copied = Copied
script-saved = Saved
script-live-on = Live: newer requests appear on top
script-live-over = Live ended after ten minutes
script-live-failed = Live ended: reload the page
# $count: how many requests came, written in by the script: words that go for every number.
script-live-new = { $count } new
script-passkeys-unavailable = Passkeys are not available now. Try again in a moment.
script-passkey-failed = Your browser could not use a passkey here.
script-passkey-not-confirmed = Nothing was confirmed: it was cancelled, or took too long. Try again.
script-passkey-cancelled = Nothing was confirmed: it was cancelled. Try again.
script-passkey-exists = A passkey of this account is on this device already.
script-passkey-unsupported = This device keeps no passkeys of the kind that is needed.
script-passkey-address = Passkeys do not work under this address.

## The pages of simulated vendors, on which a tester picks what becomes of a payment

hosted-title = Test payment at { $product }
hosted-test = Test mode. No money moves: pick what becomes of this payment.
hosted-reference = Reference { $reference }
hosted-status = This payment is { $status }. There is nothing more to pick.
hosted-phone = Test phone number
hosted-phone-unknown = This is none of the test numbers.
hosted-amount-too-small = This amount is too small for the currency of that number.
hosted-pick = Pick one of the outcomes.
hosted-pay-with-number = Pay with this number
hosted-pay = Pay
hosted-fail = Fail
hosted-cancel = Cancel and go back
hosted-wait = Stay under way
hosted-expire = Let it expire
hosted-method = Method
hosted-card = Card
hosted-upi = UPI
hosted-netbanking = Netbanking
hosted-card-number = Number of a test card
hosted-vpa = Test UPI id
hosted-otp = One-time password (4 to 10 digits pass, fewer fail)
hosted-back = Go back to the shop
hosted-declined = This payment failed: { $reason }. Try again, or go back to the shop.
hosted-no-test-data = This is no test data: use a test card, a test UPI id, and at most 10 digits as one-time password.
hosted-no-more = Nothing more can be paid for this order.
