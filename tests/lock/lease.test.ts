// Goal: a lease comes out of the tags as it went in, as far as tags can hold it, and no tags at all are a problem.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  describeLease,
  leaseKeys,
  leasePrefix,
  leasesIn,
  leaseTags,
  toTagValue,
} from "../../src/lock/lease.ts";

const text = fc.string({ unit: "grapheme", maxLength: 300 });
const lease = fc.record({
  owner: fc.stringMatching(/^[0-9a-f]{4,16}$/),
  host: text,
  process: text,
  ami: text,
  build: text,
  since: text,
  heartbeat: text,
});

/** What Elastic Load Balancing takes (API reference, Tag). */
const keyPattern = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/u;
const valuePattern = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

describe("a lease", () => {
  it("is tags that Elastic Load Balancing takes, and comes out of them as it went in", () => {
    fc.assert(
      fc.property(lease, (one) => {
        const tags = leaseTags(one);
        expect(Object.keys(tags).sort()).toEqual(leaseKeys(one.owner).sort());
        for (const [key, value] of Object.entries(tags)) {
          expect(key).toMatch(keyPattern);
          expect(value).toMatch(valuePattern);
          expect(value.length).toBeLessThanOrEqual(256);
        }
        const others = { Name: "x", "zero-deploy:target-group": "y" };
        const { leases, strayKeys } = leasesIn(new Map(Object.entries({ ...others, ...tags })));
        const [found] = [...leases.values()];
        expect(leases.size).toBe(1);
        expect(strayKeys).toEqual([]);
        expect(found).toMatchObject({ owner: one.owner, build: toTagValue(one.build) });
        expect(leaseTags(found ?? one)).toEqual(tags);
      }),
    );
  });

  it("keeps what can be kept", () => {
    expect(toTagValue("https://ci.example/job/My Shop/7/?a=1&b=%20#x")).toBe(
      "https://ci.example/job/My Shop/7/_a=1_b=_20_x",
    );
    expect(toTagValue("Größe 42")).toBe("Größe 42");
    expect(toTagValue(`${"x".repeat(255)}\u{1D400}`)).toBe("x".repeat(255));
  });

  it("of any tags whatsoever can be read and described", () => {
    const key = fc.oneof(
      fc.string(),
      fc
        .tuple(
          fc.constantFrom("a", "b", ""),
          fc.constantFrom("host", "since", "heartbeat", "x", ""),
        )
        .map(([owner, field]) => `${leasePrefix}${owner}:${field}`),
      fc.string().map((rest) => `${leasePrefix}${rest}`),
    );
    fc.assert(
      fc.property(fc.dictionary(key, fc.string()), fc.integer(), (tags, wallMs) => {
        const { leases, keys, strayKeys } = leasesIn(new Map(Object.entries(tags)));
        const ours = Object.keys(tags).filter((one) => one.startsWith(leasePrefix));
        expect([...keys, ...strayKeys].sort()).toEqual(ours.sort());
        for (const one of leases.values()) expect(describeLease(one, wallMs)).not.toContain("NaN");
      }),
    );
  });
});
