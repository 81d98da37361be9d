use super::ast::print;
use super::*;

fn tokens(text: &str) -> TokenStream {
    text.parse().unwrap()
}

fn short(tokens: TokenStream) -> String {
    print(tokens).replace("rt::__private::", "").replace("< ", "<")
}

fn ok(text: &str) -> String {
    match compile(tokens(text), &quote!(rt)) {
        Ok(tokens) => short(tokens),
        Err(errors) => panic!("{text}: {errors:?}"),
    }
}

fn errors(text: &str) -> Vec<String> {
    compile(tokens(text), &quote!(rt)).map(short).unwrap_err().iter().map(|e| e.to_string()).collect()
}

#[test]
fn show() {
    for text in std::fs::read_to_string("/tmp/show.txt").unwrap().lines() {
        println!("\n>>> {text}");
        match text.parse().map(|t| compile(t, &quote!(rt))) {
            Err(_) => println!("does not lex"),
            Ok(Ok(tokens)) => println!("  = {}", short(tokens)),
            Ok(Err(errors)) => errors.iter().for_each(|e| println!("  ! {e}")),
        }
    }
}
