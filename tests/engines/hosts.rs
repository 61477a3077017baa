//! The header field Host: served or refused.

use super::heads::{REFUSED, SERVED, get};
use super::table::{Case, case};

pub(super) fn hosts() -> Vec<Case> {
    vec![
        case("no Host", "GET /healthz HTTP/1.1\r\n\r\n", REFUSED),
        case(
            "no Host in HTTP/1.0",
            "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            SERVED,
        ),
        case("two Hosts", get("Host: y\r\n"), REFUSED),
        case("one Host twice", get("Host: x\r\n"), REFUSED),
        case(
            "two Hosts in HTTP/1.0",
            "GET /healthz HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n",
            REFUSED,
        ),
        case(
            "a Host with a path",
            "GET /healthz HTTP/1.1\r\nHost: x/y\r\n\r\n",
            REFUSED,
        ),
        case(
            "a Host with a user",
            "GET /healthz HTTP/1.1\r\nHost: y@x\r\n\r\n",
            REFUSED,
        ),
        case(
            "a Host of two words",
            "GET /healthz HTTP/1.1\r\nHost: x y\r\n\r\n",
            REFUSED,
        ),
        case(
            "two hosts in one Host",
            "GET /healthz HTTP/1.1\r\nHost: x,y\r\n\r\n",
            REFUSED,
        ),
        case(
            "a Host with a port that is none",
            "GET /healthz HTTP/1.1\r\nHost: x:port\r\n\r\n",
            REFUSED,
        ),
        case(
            "a Host with two ports",
            "GET /healthz HTTP/1.1\r\nHost: x:1:2\r\n\r\n",
            REFUSED,
        ),
        case(
            "a Host with half an address",
            "GET /healthz HTTP/1.1\r\nHost: [::1\r\n\r\n",
            REFUSED,
        ),
        case(
            "a Host that is an address",
            "GET /healthz HTTP/1.1\r\nHost: [::1]:5000\r\n\r\n",
            SERVED,
        ),
        case(
            "a target with two hosts",
            "GET http://x,y/healthz HTTP/1.1\r\nHost: x,y\r\n\r\n",
            REFUSED,
        ),
        case(
            "a target with a user in HTTP/1.0",
            "GET http://y@x/healthz HTTP/1.0\r\n\r\n",
            REFUSED,
        ),
        case(
            "an empty Host",
            "GET /healthz HTTP/1.1\r\nHost:\r\n\r\n",
            SERVED,
        ),
    ]
}
