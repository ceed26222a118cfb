import * as v from "valibot";

// biome-ignore lint/suspicious/noExplicitAny: a schema of any values
type Any<Output> = v.GenericSchema<any, Output>;

/** "as it is" where a schema says the same as a type, else the side that lacks something. */
type Same<Type, Output> = [Type] extends [Output]
  ? [Output] extends [Type]
    ? unknown
    : { "the schema allows what the type does not have": Output }
  : { "the type has what the schema does not allow": Type };

/**
 * A named schema of what an action makes: "Event" in the OpenAPI document. It compiles only while it says what the type does, so a
 * member that is added to the one has to be added to the other.
 */
export const shapeOf =
  <Type>() =>
  <S extends Any<Type>>(ref: string, schema: S & Same<Type, v.InferOutput<S>>) =>
    v.pipe(schema as S, v.metadata({ ref }));

/** A schema that is named, of what no type describes. */
export const named = <S extends Any<unknown>>(ref: string, schema: S) => v.pipe(schema, v.metadata({ ref }));

export const text = v.string();
export const orNull = <S extends Any<unknown>>(schema: S) => v.nullable(schema);
export const count = v.pipe(v.number(), v.integer(), v.minValue(0));
/** ISO 8601 with milliseconds, UTC. */
export const time = v.pipe(v.string(), v.isoTimestamp());

/** A page of a list. */
export const pageOf = <S extends Any<unknown>>(ref: string, row: S) =>
  named(
    ref,
    v.object({
      data: v.array(row),
      next: v.pipe(v.nullable(v.string()), v.description("The cursor of the following page (before=); null: none")),
      total: v.exactOptional(v.object({ count, isMore: v.boolean() })),
    }),
  );
