//! Who asks, and how often.

use causeway_shared::host::log;
use causeway_shared::sender::name_of;
use serde_json::json;

use super::Call;
use crate::access_jwt::Refused;
use crate::host::Workerd;
use crate::ingress::guesses;
use crate::platform;
use crate::reply::Reply;

impl Call<'_> {
    /// Whether who asks may, and not too often.
    pub(super) async fn admit(self) -> Result<(), Reply> {
        guesses::check(self.request)?;
        let caller = match self.caller().await {
            Ok(caller) => caller,
            Err(refused) => return Err(guesses::counted(refused, self.request, self.env).await),
        };
        let caller = name_of(&caller);
        if platform::is_within_limit(self.env, "API_LIMIT", &caller).await {
            return Ok(());
        }
        let reason = "Too many requests within a minute. Ask again in the next one.";
        Err(Reply::problem(429, reason).header("retry-after", "60"))
    }

    /// Whether a browser says that a page of another site asks. Access adds its assertion to whatever a
    /// browser sends ([RFC 6454, section 7](https://www.rfc-editor.org/rfc/rfc6454#section-7)).
    fn is_of_another_site(self) -> bool {
        let origin = self.request.headers().get("origin").ok().flatten();
        let url = self.request.url();
        origin.is_some_and(|origin| {
            let path = url.strip_prefix(&origin);
            !path.is_some_and(|path| path.starts_with('/'))
        })
    }

    /// A text by which who asks is known again.
    async fn caller(self) -> Result<String, Reply> {
        let (tokens, access) = (&self.config.admin_tokens, &self.config.access_jwt);
        let header = |name: &str| self.request.headers().get(name).ok().flatten();
        if tokens.is_none() && access.is_none() {
            return Err(Reply::problem(
                403,
                "The API is closed. Open it with a token, npx wrangler secret put ADMIN_TOKEN, or with ACCESS_TEAM_DOMAIN and ACCESS_AUD.",
            ));
        }
        let shown = header("authorization");
        let opens = tokens
            .as_ref()
            .map(|tokens| tokens.are_shown_by(shown.as_deref()));
        if opens == Some(true) {
            // However the header is written, it is the same token.
            let token = shown
                .as_deref()
                .and_then(|shown| shown.split_whitespace().last());
            return Ok(token.unwrap_or_default().to_owned());
        }
        let mut reason = "Send ADMIN_TOKEN as `Authorization: Bearer <token>`.".to_owned();
        if let (Some(access), Some(shown)) = (access, header("cf-access-jwt-assertion")) {
            match access.caller(&shown).await {
                Ok(_) if self.is_of_another_site() => {
                    let reason = "A page of another site sent this with what your browser keeps for Access. The API is not for pages.";
                    return Err(Reply::problem(403, reason));
                }
                Ok(caller) => return Ok(caller),
                Err(Refused::Token(why)) => {
                    reason = format!("The assertion of Access is not valid: {why}.");
                }
                Err(Refused::NoKeys(why)) => {
                    // The platform's words are for whoever runs the worker: they may quote a URL.
                    let line = json!({"event": "access-silent", "message": why});
                    log::trouble(&Workerd::new(self.env), &line);
                    let reason = "Access did not say which keys are its. Ask again.";
                    return Err(Reply::problem(503, reason).header("retry-after", "5"));
                }
            }
        }
        let problem = Reply::problem(401, reason);
        Err(problem.header("www-authenticate", "Bearer realm=\"causeway\""))
    }
}
