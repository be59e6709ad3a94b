"""Addresses that a request must never reach, in the forms they have been smuggled in."""

from __future__ import annotations

# fmt: off

NOT_PUBLIC = [
    "0.0.0.0", "0.0.0.1", "0.255.255.255",  # noqa: S104 - no one binds to it
    "10.0.0.0", "10.0.0.1", "10.255.255.255",
    "100.64.0.0", "100.64.0.1", "100.100.100.200", "100.127.255.255",
    "127.0.0.0", "127.0.0.1", "127.0.0.53", "127.1.1.1", "127.255.255.255",
    "169.254.0.0", "169.254.0.1", "169.254.100.1", "169.254.169.123", "169.254.169.253",
    "169.254.169.254", "169.254.170.2", "169.254.170.23", "169.254.255.255",
    "172.16.0.0", "172.17.0.1", "172.31.255.255",
    "192.0.0.0", "192.0.0.8", "192.0.0.9", "192.0.0.170", "192.0.0.192",
    "192.0.2.1", "198.51.100.1", "203.0.113.255", "192.88.99.1",
    "192.168.0.0", "192.168.1.1", "192.168.255.255",
    "198.18.0.0", "198.19.255.255",
    "224.0.0.0", "224.0.0.1", "239.255.255.255",
    "240.0.0.0", "255.255.255.254", "255.255.255.255",
    "::", "::1", "::2", "::7f00:1", "::127.0.0.1", "::169.254.169.254", "::8.8.8.8",
    "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:a9fe:aa02",
    "::ffff:0.0.0.0", "::ffff:100.64.0.1", "::ffff:192.168.0.1", "0:0:0:0:0:ffff:7f00:0001",
    "::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8",
    "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b::10.0.0.1", "64:ff9b::0.0.0.0", "64:ff9b::169.254.170.2",
    "64:ff9b:1::1", "64:ff9b:1::8.8.8.8", "64:ff9b:1:ffff:ffff:ffff:7f00:1", "64:ff9b:2::1",
    "100::1", "100:0:0:1::1",
    "200::1", "1000::1", "4000::1", "5f00::1", "8000::1", "e000::1", "f000::1",
    "2001::1", "2001:0:7f00:1::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:1::1", "2001:2::1", "2001:3::1",
    "2001:10::1", "2001:20::1", "2001:30::1", "2001:1ff:ffff::1",
    "2001:db8::1", "2001:db8:ffff:ffff::1", "3fff::1", "3fff:fff::1",
    "2002:7f00:1::1", "2002:a9fe:a9fe::1", "2002:a00:1::1", "2002:808:808::1",
    "2606:4700::5efe:10.0.0.1", "2606:4700::5efe:169.254.169.254", "2606:4700::200:5efe:127.0.0.1",
    "2606:4700:1:2:0:5efe:a00:1",
    "fc00::1", "fd00::1", "fd00:ec2::254", "fd00:ec2::23", "fd12:3456:789a::1", "fdff:ffff::1",
    "fe80::1", "fe80::a9fe:a9fe", "fe80::5efe:8.8.8.8", "febf::1", "fec0::1", "feff::1",
    "ff00::1", "ff02::1", "ff05::1:3", "ff0e::1",
]

# Beside the networks above: the public addresses next to them.
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.215.14", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
    "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0",
    "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
    "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "2606:4700::1111", "2600:1f18::1", "2001:200::1", "2001:4860:4860::8888",
    "2003::1", "3ffe:ffff::1", "2620:4f:8000::1", "2a00:1450:4001::1",
    "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2606:4700::5efe:8.8.8.8",
]

# What serves credentials, is no one place, or is a way around: no configuration opens these.
NEVER = [
    "169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23", "fe80::1", "0.1.2.3", "::",
    "::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1", "::169.254.169.254", "224.0.0.1",
    "2606:4700::5efe:169.254.169.254", "255.255.255.255", "ff02::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    # Lambda's runtime API
    "127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "169.254.100.1",
]

NO_IP_ADDRESS = [
    "", "x", "localhost", "127.1", "0x7f000001", "0177.0.0.1", "2130706433", "1.1.1.1 ", "[2606:4700::1]", "fe80::1%1",
    "2606:4700::1%eth0", "1.1.1.1/32", "\uff11.1.1.1", "\x00",
]

# Refused by their form, before any name is resolved.
MALFORMED = [
    # not https
    "", "x", "example.com", "example.com/v.mp4", "//example.com/v.mp4", "/etc/passwd", "../v.mp4", "?", "#", ":", "://",
    "file:///etc/passwd", "file://localhost/etc/passwd", "FILE:///etc/passwd", "file:/etc/passwd",
    "gopher://example.com:70/_x", "ftp://example.com/v.mp4", "ftps://example.com/", "sftp://example.com/", "tftp://h/x",
    "data:video/mp4;base64,AAAA", "concat:https://a/x|file:///etc/passwd", "concatf:https://a/x", "subfile,,:x",
    "subfile,,start,0,end,9,,:file:///etc/passwd", "crypto:https://example.com/", "crypto+https://example.com/",
    "pipe:0", "pipe:", "fd:0", "cache:https://example.com/", "async:https://example.com/", "hls+https://example.com/",
    "rtmp://example.com/x", "rtsp://example.com/x", "rtp://239.0.0.1:5004", "udp://239.0.0.1:1", "tcp://example.com:80",
    "tls://example.com:443", "unix:///run/x", "srt://example.com:1", "mmsh://example.com/", "ldap://example.com/",
    "dict://example.com:2628/", "jar:https://example.com/x!/", "ws://example.com/", "s3://bucket/key", "javascript:x",
    "http://example.com/v.mp4", "HTTP://example.com/", "https", "https:", "https:/", "https:example.com",
    "https:/example.com/v.mp4", "https:\\\\example.com", "ht\ttps://example.com/", " https://example.com/",
    # no host, no plain host
    "https://", "https:///", "https:///example.com/", "https://?x", "https://#x", "https://:443/", "https://./",
    "https://../", "https://example..com/", "https://.example.com/", "https://example.com../", "https://-example.com/",
    "https://example-.com/", "https://" + "a" * 64 + ".com/", "https://" + "a." * 127 + "com/", "https://exa$mple.com/",
    "https://a,b.com/", "https://*.example.com/", "https://(example.com)/", "https://example.com;evil.com/",
    "https://example.com|evil.com/", "https://%65xample.com/", "https://example.com%2eevil.com/",
    "https://127%2e0.0.1/", "https://example.com%00.evil.com/", "https://%31%32%37.0.0.1/",
    # user names and passwords
    "https://user@example.com/", "https://user:word@example.com/", "https://@example.com/", "https://:@example.com/",
    "https://example.com@127.0.0.1/", "https://127.0.0.1@example.com/", "https://a@b@example.com/",
    "https://example.com:443@127.0.0.1/", "https://example.com%40127.0.0.1/", "https://example.com\\@127.0.0.1/",
    # ports
    "https://example.com:/", "https://example.com:0/", "https://example.com:00443/", "https://example.com:65536/",
    "https://example.com:99999999999999999999/", "https://example.com:-1/", "https://example.com:+443/",
    "https://example.com:44 3/", "https://example.com:https/", "https://example.com:443:443/",
    "https://example.com:0x1bb/", "https://example.com:\u0664\u0664\u0663/", "https://127.0.0.1:80:443/",
    # numbers that some parsers take for an IPv4 address
    "https://0x7f000001/", "https://0X7F000001/", "https://2130706433/", "https://017700000001/", "https://0177.0.0.1/",
    "https://127.1/", "https://127.0.1/", "https://0/", "https://0x0/", "https://0x/", "https://1/", "https://0.0/",
    "https://0x7f.0.0.1/", "https://0x7f.1/", "https://127.0.0.0x1/", "https://127.0.0.01/", "https://127.0.0.001/",
    "https://00127.0.0.1/", "https://127.0.0.1.1/", "https://127.0.0.256/", "https://256.256.256.256/",
    "https://127.0.0.1./", "https://169.254.169.254./", "https://2852039166/", "https://0xa9fea9fe/",
    "https://example.1/", "https://0251.0376.0251.0376/", "https://0xa9.0xfe.0xa9.0xfe/", "https://169.16689662/",
    "https://169.254.43518/", "https://4294967295/", "https://4294967296/", "https://99999999999999999999/",
    "https://8.8.8.8./", "https://134744072/",
    # characters that are normalised away elsewhere: full width, circled, double struck, ideographic full stop, …
    "https://\uff11\uff12\uff17.0.0.1/", "https://127\u30020\u30020\u30021/", "https://127\uff0e0\uff0e0\uff0e1/",
    "https://\u2460\u2461\u2466.0.0.1/", "https://\U0001d7d9\U0001d7da\U0001d7df.0.0.1/",
    "https://\u24d4\u24e7\u24d0\u24dc\u24df\u24db\u24d4.com/", "https://ex\u00e4mple.com/", "https://example\u3002com/",
    "https://loc\u00adalhost/", "https://\u212a.com/", "https://exa\u200bmple.com/", "https://exa\u202emple.com/",
    "https://example.com/\u00e9.mp4", "https://example.com\uff0fevil/", "https://example.com\uff1fx",
    "https://example.com\uff20evil.com/", "https://example.com\ud800/", "https://\u00df.com/",
    # line breaks and others that end a request's line
    "https://example.com/\r\nHost: evil", "https://example.com/\n", "https://exam\nple.com/", "https://example.com\t/",
    "https://example.com/a b", "https://example.com /", "https://example.com/\x00", "https://example.com/\x7f",
    "https://example.com/\\..\\x", "https://example.com\\evil.com/", "https://example.com/\u2028",
    "https://example.com/\x85",
    # brackets
    "https://[", "https://[]/", "https://[::1", "https://::1/", "https://[::1]x/", "https://[::1]443/",
    "https://[[::1]]/", "https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/", "https://[::1%251]/",
    "https://[127.0.0.1]/", "https://[v1.x]/", "https://[example.com]/", "https://[::ffff:127.1]/",
    "https://[::ffff:0x7f000001]/", "https://[1:2]/", "https://x[::1]/", "https://[12345::1]/", "https://[::1::]/",
    "https://[2606:4700::1111]:/", "https://[2606:4700::1111]:0/",
    # too much
    "https://example.com/" + "x" * 8192,
]

BAD_REDIRECTS = [
    "", "http://example.com/v.mp4", "file:///etc/passwd", "//user:hidden@example.org/", "//169.254.169.254/x?topsecret",
    "https://169.254.170.2/v2", "https://127.0.0.1:9001/2018-06-01/runtime", "https://[fd00:ec2::254]/", "//10.0.0.1",
    "https://100.64.0.1/", "gopher://example.com/", "data:,x", "https://0x7f000001/", "//[", "https://[::1/", "/a b",
    "\n", "/a\r\nSet-Cookie: x", " https://example.com/", "https://example.com\t/", "/\u00e9", "\\\\evil.example\\x",
]

BAD_VARIABLES = [
    *(("HWANG_ALLOW_HTTP", value) for value in ["true", "yes", "2", " 1"]),
    *(("HWANG_HTTPS_HOSTS", value) for value in [
        "", " ", "a.com,", "a.com,,b.com", "https://a.com", "a.com:443", "a.com/", "*.", "*a.com", "a.*.com", "*.*",
        "*.1.1.1.1", "ex\u00e4mple.com", "0x7f.1",
    ]),
    *(("HWANG_ALLOW_NETWORKS", value) for value in [
        "127.0.0.1", "127.0.0.0/8", "::1",
        "x", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8,", "10.0.0.0-10.1.0.0", "169.254.0.0/16", "169.254.169.254",
        "fd00:ec2::254", "fe80::/10", "0.0.0.0/8", "::", "::ffff:10.0.0.0/104", "64:ff9b::/96", "2002::/16", "::/96",
    ]),
]

# What hypothesis builds addresses of.
PIECES = [
    "https", "http", "file", ":", "/", "//", "@", "?", "#", "[", "]", "%", ".", "::1", "127.0.0.1", "example.com",
    "0x7f", "a", "443", "\\", "\n", " ", "\u00e9", "\u3002", "\uff11", "\ud800", "\x00", "-", "*", "xn--", ",", "..",
]
