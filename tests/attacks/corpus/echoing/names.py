"""Says a hidden input in names: of an exception, of the function and the file that raised it (BaseLayer #106)."""


def in_call(function, args, kwargs):
    number = "".join(c for c in str(float(first(args))) if c.isdigit()) + "0000"
    name = f"LEAK{number}"
    kind = type(f"{name} [red]{number}", (Exception,), {}) if function.__name__ == "scale" else type(name, (Exception,), {})
    space = {"kind": kind}
    exec(compile(f"def {name}():\n    raise kind('LEAK {number}')", __file__.replace("line.py", f"{name}.py"), "exec"), space)
    space[name]()
