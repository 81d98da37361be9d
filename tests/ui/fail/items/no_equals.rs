fn main() {}

mod case1 {
    flow_runtime::flow! {
        pub struct Event
    }
}

mod case2 {
    flow_runtime::flow! {
        pub struct Event =;
    }
}
