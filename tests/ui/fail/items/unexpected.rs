use flow_runtime::flow;

fn main() {}

flow! {
    pub struct Event<T> = e3 : gggg
}

flow! {
    pub struct Event: e3 : gggg
}

flow! {
    pub struct Event { e3 : gggg }
}

flow! {
    pub struct A = e3 : gggg; pub struct B = s2 : f;
}
