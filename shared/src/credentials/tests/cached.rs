//! Who asks, and who waits.

use super::*;

#[test]
fn one_asks_and_the_others_wait_for_what_comes_of_it() {
    let kept = CachedCredential::none();
    assert_eq!(kept.turn(now(), None), Ok(CacheState::Ask));
    assert_eq!(kept.turn(now(), None), Ok(CacheState::Wait));
    assert_eq!(kept.turn(after(1), Some(now())), Ok(CacheState::Wait));
    kept.keep(7, after(900), after(1));
    assert_eq!(kept.turn(after(2), Some(now())), Ok(CacheState::Use));
    assert_eq!(kept.value(), Some(7));
    // Until five minutes before its end.
    assert_eq!(kept.turn(after(599), None), Ok(CacheState::Use));
    assert_eq!(kept.turn(after(600), None), Ok(CacheState::Ask));
    // And for five seconds, however near its end it is.
    kept.keep(8, after(601), after(600));
    assert_eq!(kept.turn(after(604), None), Ok(CacheState::Use));
    assert_eq!(kept.turn(after(605), None), Ok(CacheState::Ask));
}

#[test]
fn who_waits_is_told_of_the_failure_and_who_comes_later_asks_again() {
    let kept: CachedCredential<u8> = CachedCredential::none();
    let error = AWS.silent("reset.");
    assert_eq!(kept.turn(now(), None), Ok(CacheState::Ask));
    kept.fail(error.clone());
    assert_eq!(kept.turn(now(), Some(now())), Err(error));
    assert_eq!(kept.turn(now(), None), Ok(CacheState::Ask));
    assert_eq!(kept.turn(now(), Some(now())), Ok(CacheState::Wait));
}

#[test]
fn nobody_waits_for_ever_for_one_that_died() {
    let kept: CachedCredential<u8> = CachedCredential::none();
    assert_eq!(kept.turn(now(), None), Ok(CacheState::Ask));
    assert_eq!(kept.turn(after(14), Some(now())), Ok(CacheState::Wait));
    assert_eq!(kept.turn(after(15), Some(now())), Ok(CacheState::Ask));
    // A clock that was set back holds nobody up.
    assert_eq!(kept.turn(after(-90), None), Ok(CacheState::Ask));
}

#[test]
fn what_was_refused_is_not_used_again() {
    let kept = CachedCredential::for_ever(1);
    assert_eq!(kept.turn(now(), None), Ok(CacheState::Use));
    kept.forget();
    assert_eq!(kept.turn(now(), None), Ok(CacheState::Ask));
}
