# Replies, one JSON object per line, with the result of Python's own unpickler: its typed form, as describe() of
# @effect-prefect/pickle returns it, or the name of the exception. Names in a pickle are not called, except for the
# types of the standard library below. Runs on Python 2.7 and 3.6 to 3.13.
import array, base64, collections, copy, datetime, decimal, fractions, json, random, signal, sys, uuid

PY3 = sys.version_info[0] >= 3
import pickle
if PY3:
    import io, _codecs, copyreg, pathlib
    BytesIO = io.BytesIO
else:
    import copy_reg as copyreg, _codecs
    from StringIO import StringIO as BytesIO

try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
except Exception:
    pass
sys.setrecursionlimit(20000)


class Inert(object):
    def __new__(cls, *args, **kwargs):
        self = object.__new__(cls)
        self.__dict__["_inert"] = {"args": list(args), "kwargs": kwargs, "state": [], "items": [], "pairs": []}
        return self

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        self._inert["state"].append(state)

    def append(self, item):
        self._inert["items"].append(item)

    def add(self, item):
        self._inert["items"].append(item)

    def __setitem__(self, key, value):
        self._inert["pairs"].append((key, value))

    def __call__(self, *args, **kwargs):
        made = Inert.__new__(Inert, *args, **kwargs)
        made._inert["class"] = self
        return made


SAFE = {
    "builtins": {"set": set, "frozenset": frozenset, "bytearray": bytearray, "complex": complex, "range": range,
                 "slice": slice, "bytes": bytes, "int": int, "str": str, "list": list, "tuple": tuple, "dict": dict,
                 "float": float, "bool": bool},
    "collections": {"OrderedDict": collections.OrderedDict, "defaultdict": collections.defaultdict,
                    "Counter": collections.Counter, "deque": collections.deque},
    "datetime": {n: getattr(datetime, n) for n in ("datetime", "date", "time", "timedelta", "timezone")
                 if hasattr(datetime, n)},
    "decimal": {"Decimal": decimal.Decimal},
    "fractions": {"Fraction": fractions.Fraction},
    "uuid": {"UUID": uuid.UUID},
    "copyreg": {"_reconstructor": copyreg._reconstructor},
    "_codecs": {"encode": _codecs.encode},
}
if PY3:
    SAFE["pathlib"] = {n: getattr(pathlib, n) for n in ("PurePosixPath", "PureWindowsPath")}
    SAFE["pathlib._local"] = SAFE["pathlib"]
    SAFE["copyreg"]["__newobj__"] = copyreg.__newobj__
    SAFE["array"] = {"array": array.array, "_array_reconstructor": array._array_reconstructor}


class Oracle(pickle.Unpickler):
    def find_class(self, module, name):
        if PY3 and (module, name) == ("builtins", "object"):
            return object
        known = SAFE.get(module, {}).get(name)
        if known is not None:
            return known
        cache = self.__dict__.setdefault("cache", {})
        key = (module, name)
        if key not in cache:
            cache[key] = type(str("Inert"), (Inert,), {"_global": key})
        return cache[key]


def text(value):
    return value.decode("latin1") if isinstance(value, bytes) else value


def b64(value):
    return base64.b64encode(bytes(value)).decode("ascii")


def number(value):
    if len(hex(value)) > 3400:
        return {"t": "int", "hex": hex(value)}
    return {"t": "int", "v": str(value)}


class Form(object):
    def __init__(self):
        self.seen = {}
        self.keep = []
        self.ids = 0
        self.count = 0

    def of(self, v):
        self.count += 1
        if self.count > 200000:
            raise OverflowError("too large to describe")
        if v is None:
            return {"t": "none"}
        if v is True or v is False:
            return {"t": "bool", "v": v}
        t = type(v)
        if t is int or (not PY3 and t is long):
            return number(v)
        if t is float:
            return {"t": "float", "v": repr(v)}
        if PY3 and t is str or not PY3 and t is unicode:
            return {"t": "str", "v": v}
        if not PY3 and t is str:
            return {"t": "str", "v": v.decode("latin1")}
        if PY3 and t is bytes:
            return {"t": "bytes", "v": b64(v)}
        if v is Ellipsis:
            return {"t": "global", "m": "builtins", "n": "Ellipsis"}
        if isinstance(v, type):
            if v is object:
                return {"t": "global", "m": "builtins", "n": "object"}
            key = getattr(v, "_global", None)
            if key is not None:
                return {"t": "global", "m": key[0], "n": key[1]}
            for module, names in SAFE.items():
                for name, one in names.items():
                    if one is v:
                        return {"t": "global", "m": module, "n": name}
            return {"t": "global", "m": v.__module__, "n": v.__name__}
        if t.__name__ in ("builtin_function_or_method", "function"):
            for module, names in SAFE.items():
                for name, one in names.items():
                    if one is v:
                        return {"t": "global", "m": module, "n": name}
        if t is datetime.datetime:
            return {"t": "datetime", "v": v.replace(tzinfo=None).isoformat(), "tz": self.of(v.tzinfo),
                    "fold": getattr(v, "fold", 0)}
        if t is datetime.date:
            return {"t": "date", "v": v.isoformat()}
        if t is datetime.time:
            return {"t": "time", "v": v.replace(tzinfo=None).isoformat(), "tz": self.of(v.tzinfo),
                    "fold": getattr(v, "fold", 0)}
        if t is datetime.timedelta:
            return {"t": "timedelta", "v": [v.days, v.seconds, v.microseconds]}
        if PY3 and t is datetime.timezone:
            args = v.__getinitargs__()
            off = args[0]
            return {"t": "timezone", "us": str((off.days * 86400 + off.seconds) * 10**6 + off.microseconds),
                    "name": args[1] if len(args) > 1 else None}
        if t is decimal.Decimal:
            return {"t": "decimal", "v": str(v)}
        if t is fractions.Fraction:
            return {"t": "fraction", "v": [str(v.numerator), str(v.denominator)]}
        if t is uuid.UUID:
            return {"t": "uuid", "v": str(v)}
        if t is complex:
            return {"t": "complex", "re": repr(v.real), "im": repr(v.imag)}
        if t is slice:
            return {"t": "slice", "v": [self.of(v.start), self.of(v.stop), self.of(v.step)]}
        if PY3 and t is range:
            return {"t": "range", "v": [str(v.start), str(v.stop), str(v.step)]}
        if PY3 and isinstance(v, pathlib.PurePath):
            return {"t": "path", "class": "pathlib." + t.__name__, "v": str(v)}
        if (t is tuple or t is frozenset) and not v:
            # Python has only one empty tuple and one empty frozenset.
            return {"t": t.__name__, "v": []}
        known = self.seen.get(id(v))
        if known is not None:
            if "id" not in known:
                self.ids += 1
                known["id"] = self.ids
            return {"t": "ref", "id": known["id"]}
        form = {}
        self.seen[id(v)] = form
        self.keep.append(v)
        self.fill(form, v, t)
        return form

    def fill(self, form, v, t):
        pairs = lambda items: [[self.of(a), self.of(b)] for a, b in items]
        if t is list:
            form.update(t="list", v=[self.of(x) for x in v])
        elif t is tuple:
            form.update(t="tuple", v=[self.of(x) for x in v])
        elif t is dict:
            form.update(t="dict", v=pairs(v.items()))
        elif t is frozenset:
            form.update(t="frozenset", v=[self.of(x) for x in v])
        elif t is set:
            form.update(t="set", v=[self.of(x) for x in v])
        elif t is bytearray:
            form.update(t="bytearray", v=b64(v))
        elif t is collections.OrderedDict:
            form.update(t="odict", v=pairs(v.items()))
        elif t is collections.Counter:
            form.update(t="counter", v=pairs(v.items()))
        elif t is collections.defaultdict:
            form.update(t="defaultdict", factory=self.of(v.default_factory), v=pairs(v.items()))
        elif t is collections.deque:
            form.update(t="deque", maxlen=v.maxlen, v=[self.of(x) for x in v])
        elif t is array.array:
            form.update(t="array", code=v.typecode, v=[self.of(x) for x in v])
        elif isinstance(v, Inert):
            inert = v._inert
            form["t"] = "object"
            owner = inert.get("class")
            form["class"] = self.of(owner) if owner is not None else ".".join(map(text, v._global))
            form["args"] = [self.of(x) for x in inert["args"]]
            if inert["kwargs"]:
                form["kwargs"] = [[self.of(text(k)), self.of(x)] for k, x in inert["kwargs"].items()]
            if inert["state"]:
                form["state"] = [self.of(x) for x in inert["state"]]
            if inert["items"]:
                form["items"] = [self.of(x) for x in inert["items"]]
            if inert["pairs"]:
                form["pairs"] = pairs(inert["pairs"])
        else:
            form.update(t="other", repr=t.__name__)


class Late(Exception):
    pass


def late(*_):
    raise Late()


signal.signal(signal.SIGALRM, late)


def load(data, options):
    kwargs = {}
    if PY3:
        if options.get("encoding"):
            kwargs["encoding"] = options["encoding"]
        if options.get("buffers") is not None:
            kwargs["buffers"] = [base64.b64decode(x) for x in options["buffers"]]
    stream = BytesIO(data)
    machine = Oracle(stream, **kwargs) if PY3 else Oracle(stream)
    value = machine.load()
    return value, stream.tell()


# Random values of everything a pickle of the standard library can hold.
class Maker(object):
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.shared = []

    def text(self):
        r = self.r
        kind = r.randrange(6)
        if kind == 0:
            return u""
        chars = {1: u"abcdefghij", 2: u"\xe9\xff\x80", 3: u"\u65e5\u672c", 4: u"\U0001f600a", 5: u"\\n\n\r\x00'\"\\u"}[kind]
        return u"".join(r.choice(chars) for _ in range(r.choice([1, 3, 9, 14, 40, 250, 300])))

    def integer(self):
        r = self.r
        return r.choice([0, 1, -1, 255, 256, 65535, 65536, 2**31 - 1, -2**31, 2**31, 2**53, -2**53 - 1, 2**63, -2**63,
                         r.randrange(-2**70, 2**70), r.randrange(-2**2100, 2**2100), r.randrange(100)])

    def real(self):
        r = self.r
        return r.choice([0.0, -0.0, 1.0, float("inf"), float("-inf"), 5e-324, 1.7e308, r.random(), -r.random() * 1e20,
                         r.randrange(2**60) * 1.0])

    def bytes(self):
        return bytearray(self.r.randrange(256) for _ in range(self.r.choice([0, 1, 5, 20, 255, 256, 400])))

    def moment(self, zone=True):
        r = self.r
        return datetime.datetime(r.randrange(1, 10000), r.randrange(1, 13), r.randrange(1, 29), r.randrange(24),
                                 r.randrange(60), r.randrange(60), r.randrange(10**6), self.zone() if zone else None)

    def zone(self):
        r = self.r
        if not PY3 or r.random() < 0.5:
            return None
        off = datetime.timedelta(minutes=r.randrange(-1439, 1440))
        return datetime.timezone(off) if r.random() < 0.5 else datetime.timezone(off, "Zone")

    def scalar(self):
        r = self.r
        kind = r.randrange(15)
        if kind == 0:
            return r.choice([None, True, False])
        if kind <= 2:
            return self.integer()
        if kind <= 4:
            return self.real()
        if kind <= 7:
            return self.text()
        if kind == 8:
            return bytes(self.bytes()) if PY3 else self.text()
        if kind == 9:
            return self.moment()
        if kind == 10:
            return self.moment().date()
        if kind == 11:
            return datetime.timedelta(r.randrange(-999, 999), r.randrange(86400), r.randrange(10**6))
        if kind == 12:
            return r.choice([decimal.Decimal(str(r.randrange(-10**9, 10**9))) / 1000, decimal.Decimal("NaN"),
                             decimal.Decimal("1E+30"), decimal.Decimal("-0.00")])
        if kind == 13:
            return fractions.Fraction(r.randrange(-10**20, 10**20), r.randrange(1, 1000))
        return r.choice([uuid.UUID(int=r.randrange(2**128)), complex(self.real(), self.real()), self.moment(False).time()])

    def key(self, depth=2):
        r = self.r
        if depth and r.random() < 0.15:
            return tuple(self.key(depth - 1) for _ in range(r.randrange(4)))
        if depth and r.random() < 0.05:
            return frozenset(self.key(depth - 1) for _ in range(r.randrange(4)))
        while True:
            value = r.choice([self.text, self.text, self.scalar, lambda: r.randrange(20), lambda: r.randrange(20) * 1.0])()
            if value == value:
                return value

    def value(self, depth=4):
        r = self.r
        if self.shared and r.random() < 0.1:
            return r.choice(self.shared)
        if depth == 0 or r.random() < 0.35:
            return self.scalar()
        kind = r.randrange(13)
        size = r.choice([0, 1, 2, 3, 4, 5, 8]) if depth < 4 else r.choice([3, 8, 30])
        if kind <= 2:
            made = []
            self.shared.append(made)
            made.extend(self.value(depth - 1) for _ in range(size))
        elif kind <= 4:
            made = {}
            self.shared.append(made)
            for _ in range(size):
                made[self.text()] = self.value(depth - 1)
        elif kind == 5:
            made = {}
            self.shared.append(made)
            for _ in range(size):
                made[self.key()] = self.value(depth - 1)
        elif kind <= 7:
            made = tuple(self.value(depth - 1) for _ in range(size))
        elif kind == 8:
            made = set(self.key() for _ in range(size))
        elif kind == 9:
            made = collections.OrderedDict((self.key(), self.value(depth - 1)) for _ in range(size))
        elif kind == 10:
            made = collections.deque((self.value(depth - 1) for _ in range(size)), r.choice([None, 100]))
        elif kind == 11:
            made = r.choice([bytearray(self.bytes()), frozenset(self.key() for _ in range(size)),
                             collections.Counter(self.text() for _ in range(size))])
        else:
            made = [r.randrange(300) if r.random() < 0.9 else self.scalar() for _ in range(r.choice([5, 1100]))]
        self.shared.append(made)
        return made


def answer(job):
    if job["do"] == "make":
        value = Maker(job["seed"]).value()
        pickler = job.get("pickler")
        if pickler == "cPickle" and not PY3:
            import cPickle
            data = cPickle.dumps(value, job["protocol"])
        elif pickler == "python" and PY3:
            data = pickle._dumps(value, job["protocol"])
        else:
            data = pickle.dumps(value, job["protocol"])
        # The result of Python itself: identity is that of the loaded value, not of the original.
        again = pickle.loads(data)
        return {"data": b64(data), "form": Form().of(again)}
    if job["do"] == "literals":
        # Every literal of bytes in CPython's own tests of pickle, and every constant made of them.
        import ast, os
        with open(os.path.join(os.path.dirname(os.__file__), "test", "pickletester.py")) as file:
            tree = ast.parse(file.read())
        found = set()
        for node in ast.walk(tree):
            try:
                value = ast.literal_eval(node)
            except Exception:
                continue
            if isinstance(value, bytes) and 1 < len(value) < 100000:
                found.add(value)
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp):
                try:
                    value = eval(compile(ast.Expression(node.value), "x", "eval"), {})
                except Exception:
                    continue
                if isinstance(value, bytes):
                    found.add(value)
        return {"literals": [b64(value) for value in sorted(found)]}
    data = base64.b64decode(job["data"])
    if job["do"] == "trust":
        # A pickle of our own, of another Python.
        return {"form": Form().of(pickle.loads(data, encoding="latin1"))}
    value, end = load(data, job.get("options", {}))
    return {"form": Form().of(value), "end": end}


while True:
    line = sys.stdin.readline()
    if not line:
        break
    job = json.loads(line)
    signal.alarm(3)
    try:
        out = answer(job)
    except Late:
        out = {"late": True}
    except BaseException as error:
        out = {"fail": type(error).__name__, "message": repr(error)[:200]}
    signal.alarm(0)
    sys.stdout.write(json.dumps(out) + "\n")
    sys.stdout.flush()
