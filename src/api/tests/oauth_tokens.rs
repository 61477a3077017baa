//! Tokens of OAuth 2.0 after they were issued: refreshing, revoking and introspecting them, and what all that is limited by.

use serde_json::json;

use super::oauth::{GRANT, add_client, alice, basic, error, form, is_good, text, with_alice};
use super::*;
use crate::Secret;

fn refreshed(app: &App, token: &str) -> Response {
    let ask = format!("grant_type=refresh_token&refresh_token={token}");
    form("/token", &ask).of(app)
}

#[test]
fn a_refresh_token_of_a_login_works_once_at_either_route() {
    let app = with_alice(&[]);
    let (_, first) = alice(&app);
    let response = refreshed(&app, &first);
    let second = body(&response);
    assert_eq!(response.status().0, 200);
    assert_eq!(second["scope"], "encrypt decrypt");
    assert!(is_good(&app, text(&second, "access_token")));
    let ask = json!({"refresh_token": second["refresh_token"]}).to_string();
    let third = body(&post("/refresh", &ask).of(&app));
    let narrower = format!(
        "grant_type=refresh_token&refresh_token={}&scope=decrypt&client_id=anybody",
        text(&third, "refresh_token")
    );
    let fourth = body(&form("/token", &narrower).of(&app));
    assert_eq!(fourth["scope"], "decrypt");
    // A copy of an older one ends the login.
    let token = text(&fourth, "access_token");
    assert!(is_good(&app, token));
    assert_eq!(error(&refreshed(&app, &first), 400), "invalid_grant");
    assert!(!is_good(&app, token));
    let newest = text(&fourth, "refresh_token");
    assert_eq!(error(&refreshed(&app, newest), 400), "invalid_grant");
    // A client may authenticate although it need not.
    let secret = add_client(&app, "shop", "");
    let (_, refresh) = alice(&app);
    let ask = format!("grant_type=refresh_token&refresh_token={refresh}");
    let by_client = form("/token", &ask).with("Authorization", &*basic("shop", &secret).leak());
    assert_eq!(by_client.of(&app).status().0, 200);
}

#[test]
fn whoever_holds_a_token_may_revoke_it() {
    let app = with_alice(&[("login_max_requests", "0")]);
    let secret = add_client(&app, "shop", "encrypt");
    let good = basic("shop", &secret);
    let revoke = |body: &str| form("/revoke", body).of(&app);
    let done = |response: &Response| {
        assert_eq!(response.status().0, 200);
        assert_eq!(body(response), json!({}));
        assert_eq!(response.header("Cache-Control"), Some("no-store"));
    };
    let of_client = || {
        let body = body(&form("/token", GRANT).with("Authorization", &good).of(&app));
        text(&body, "access_token").to_owned()
    };
    let (first, second) = (of_client(), of_client());
    done(&revoke(&format!("token={first}")));
    assert!(!is_good(&app, &first) && is_good(&app, &second));
    done(&revoke(&format!("token={first}")));
    let ask = format!("token={second}&token_type_hint=refresh_token");
    done(&form("/revoke", &ask).with("Authorization", &good).of(&app));
    assert!(!is_good(&app, &second));
    // A refresh token ends its login, and so does an access token.
    for which in 0..2 {
        let (access, refresh) = alice(&app);
        let token = [&refresh, &access][which];
        done(&revoke(&format!("token={token}&token_type_hint=x")));
        assert!(!is_good(&app, &access));
        assert_eq!(error(&refreshed(&app, &refresh), 400), "invalid_grant");
    }
    for unknown in ["nonsense", "a.b.c", &secret, "%00", "%C3%A4"] {
        done(&revoke(&format!("token={unknown}")));
    }
    for wrong in ["", "token=", "tokens=x", "token=x&token=x", "token=%zz"] {
        assert_eq!(error(&revoke(wrong), 400), "invalid_request", "{wrong}");
    }
    // Nobody must believe that a key is revoked which is not.
    for key in ["sg_", &format!("sg_{}", "a".repeat(61))] {
        let response = revoke(&format!("token={key}"));
        assert_eq!(error(&response, 400), "unsupported_token_type");
    }
    // Not as somebody else.
    let third = of_client();
    let ask = format!("token={third}");
    for wrong in [
        basic("shop", "x"),
        basic("nobody", &secret),
        format!("Bearer {third}"),
    ] {
        let response = form("/revoke", &ask).with("Authorization", &wrong).of(&app);
        assert_eq!(error(&response, 401), "invalid_client");
    }
    assert!(is_good(&app, &third));
}

#[test]
fn a_server_without_a_store_says_that_it_cannot_revoke() {
    let mut config = Config::new();
    let secret = "a secret of at least thirty-two bytes";
    config.set("jwt_secret_key", secret).unwrap();
    config
        .set("aes_key", "thirty-two bytes as in the seed!")
        .unwrap();
    let settings = config.settings().unwrap();
    let app = App::new(Gate::new(&settings.gate).unwrap(), &settings.app).unwrap();
    let token = log_in(&app);
    let ask = format!("token={}", token.strip_prefix("Bearer ").unwrap());
    let response = form("/revoke", &ask).of(&app);
    assert_eq!(error(&response, 400), "unsupported_token_type");
    assert_eq!(form("/revoke", "token=x").of(&app).status().0, 200);
}

#[test]
fn tokens_of_a_client_end_with_its_secret_its_scope_and_itself() {
    let app = with_alice(&[("login_max_requests", "0")]);
    let clients = app.gate().clients();
    let secret = clients.add("shop", "encrypt decrypt").unwrap();
    let token = |secret: &Secret| app.gate().client_token("shop", secret, "").unwrap().token;
    let first = token(&secret);
    let new = clients.renew_secret("shop").unwrap().unwrap();
    assert!(!is_good(&app, &first));
    let refused = app.gate().client_token("shop", &secret, "");
    assert_eq!(refused, Err(Error::LoginFailed));
    let second = token(&new);
    assert!(is_good(&app, &second), "issued after the revocation");
    assert!(clients.set_scope("shop", "encrypt").unwrap());
    assert!(!is_good(&app, &second));
    let third = token(&new);
    assert!(clients.set_disabled("shop", true).unwrap());
    assert!(!is_good(&app, &third));
    assert!(app.gate().client_token("shop", &new, "").is_err());
    assert!(clients.set_disabled("shop", false).unwrap());
    assert!(!is_good(&app, &third), "revoked for good");
    let fourth = token(&new);
    assert!(clients.remove("shop").unwrap());
    assert!(!is_good(&app, &fourth));
    // A user who takes the name does not get them back.
    app.gate()
        .users()
        .add("shop", &"a quiet harbour".into(), "encrypt")
        .unwrap();
    assert!(!is_good(&app, &fourth));
}

#[test]
fn a_client_with_the_scope_introspects() {
    let app = with_alice(&[("login_max_requests", "0")]);
    let (access, _) = alice(&app);
    let may = add_client(&app, "api", "introspect");
    let may_not = add_client(&app, "shop", "encrypt");
    let ask = format!("token={access}");
    let in_form = format!("{ask}&client_id=api&client_secret={may}");
    let json = json!({"token": access}).to_string();
    let good = basic("api", &may);
    for ask in [
        form("/introspect", &ask).with("Authorization", &good),
        form("/introspect", &in_form),
        post("/introspect", &json).with("Authorization", &good),
    ] {
        let found = body(&ask.of(&app));
        assert_eq!(
            (&found["active"], &found["sub"]),
            (&json!(true), &json!("alice"))
        );
    }
    let lacks = basic("shop", &may_not);
    let lacks = form("/introspect", &ask).with("Authorization", &lacks);
    assert_eq!(error(&lacks.of(&app), 400), "unauthorized_client");
    for wrong in [
        basic("api", &may_not),
        basic("alice", "a quiet harbour"),
        basic("", ""),
    ] {
        let response = form("/introspect", &ask)
            .with("Authorization", &wrong)
            .of(&app);
        assert_eq!(error(&response, 401), "invalid_client");
    }
    let twice = form("/introspect", &in_form).with("Authorization", &good);
    assert_eq!(error(&twice.of(&app), 400), "invalid_request");
    // Neither a token nor a client.
    for body in [&*ask, &format!("{ask}&client_id=api")] {
        assert_eq!(
            code(&form("/introspect", body).of(&app), 401),
            "token_missing"
        );
    }
    for wrong in ["", "token=x&token=x"] {
        let response = form("/introspect", wrong)
            .with("Authorization", &good)
            .of(&app);
        assert_eq!(code(&response, 400), "bad_member", "{wrong}");
    }
}

#[test]
fn requests_of_clients_are_limited_as_logins_are() {
    let app = with_alice(&[("login_max_requests", "3")]);
    let secret = add_client(&app, "shop", "introspect");
    let good = basic("shop", &secret);
    let ask = |peer: Peer, body: &str| form("/token", body).from(peer).of(&app);
    for n in (0..3).rev() {
        let response = ask(stranger("192.0.2.1"), GRANT);
        assert_eq!(error(&response, 401), "invalid_client");
        let left = format!(r#""login";r={n};t=60"#);
        assert_eq!(response.header("RateLimit"), Some(&*left));
    }
    let response = ask(stranger("192.0.2.1"), GRANT);
    assert_eq!(code(&response, 429), "rate_limited");
    assert!(response.header("Retry-After").is_some());
    let revoke = form("/revoke", "token=x").from(stranger("192.0.2.1"));
    assert_eq!(code(&revoke.of(&app), 429), "rate_limited");
    // Others are not held up, except for what a whole site does.
    for address in ["192.0.2.2", "2001:db8::1"] {
        let response = form("/token", GRANT)
            .from(stranger(address))
            .with("Authorization", &good)
            .of(&app);
        assert_eq!(response.status().0, 200, "{address}");
        assert_eq!(response.header("RateLimit"), Some(r#""login";r=2;t=60"#));
    }
    // The right secret introspects as often as it wants; wrong ones count.
    let introspect = |secret: &str| {
        form("/introspect", "token=x")
            .from(stranger("192.0.2.3"))
            .with("Authorization", &basic("shop", secret))
            .of(&app)
    };
    for _ in 0..9 {
        assert_eq!(introspect(&secret).status().0, 200);
    }
    for _ in 0..3 {
        assert_eq!(error(&introspect("x"), 401), "invalid_client");
    }
    assert_eq!(code(&introspect("x"), 429), "rate_limited");
    assert_eq!(introspect(&secret).status().0, 200);
}

#[test]
fn the_metadata_has_the_address_that_the_settings_name() {
    const PATH: &str = "/.well-known/oauth-authorization-server";
    let response = get(PATH).with("Host", "evil.example").of(&app(&[]));
    assert_eq!(code(&response, 404), "not_found");
    assert!(
        body(&response)["detail"]
            .as_str()
            .unwrap()
            .contains("SEALGATE_ISSUER")
    );
    let issuer = "https://auth.example.com/a/";
    for (algorithm, keys) in [("HS256", None), ("EdDSA", Some("/.well-known/jwks.json"))] {
        let app = app(&[("issuer", issuer), ("token_algorithm", algorithm)]);
        let response = get(PATH).with("Host", "evil.example").of(&app);
        let found = body(&response);
        assert_eq!(response.status().0, 200);
        assert!(
            response
                .header("Cache-Control")
                .unwrap()
                .starts_with("public")
        );
        let at = |path: &str| json!(format!("https://auth.example.com/a{path}"));
        assert_eq!(found["issuer"], issuer);
        assert_eq!(found["token_endpoint"], at("/token"));
        assert_eq!(found["revocation_endpoint"], at("/revoke"));
        assert_eq!(found["introspection_endpoint"], at("/introspect"));
        assert_eq!(found.get("jwks_uri"), keys.map(at).as_ref());
        for member in [
            "token_endpoint",
            "revocation_endpoint",
            "introspection_endpoint",
        ] {
            let path = text(&found, member)
                .strip_prefix("https://auth.example.com/a")
                .unwrap();
            assert_ne!(form(path, "").of(&app).status().0, 404, "{path}");
        }
        assert!(!found.to_string().contains("evil"));
    }
}

#[test]
fn a_web_page_of_a_permitted_origin_may_use_these_routes() {
    let app = app(&[("cors_origins", "https://page.example")]);
    for path in [
        "/token",
        "/revoke",
        "/introspect",
        "/.well-known/oauth-authorization-server",
    ] {
        let ask = form(path, "").with("Origin", "https://page.example");
        let response = ask.seen(|request| app.handle(request));
        let origin = response.header("Access-Control-Allow-Origin");
        assert_eq!(origin, Some("https://page.example"), "{path}");
    }
}
