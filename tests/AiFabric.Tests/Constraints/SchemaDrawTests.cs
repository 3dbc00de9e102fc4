using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using AiFabric.Engine.Constraints;
using CsCheck;
using Json.Schema;
using Xunit;
using JsonSchema = AiFabric.Engine.Constraints.Json.JsonSchema;

namespace AiFabric.Tests.Constraints;

/// <summary>Whatever the schema and however unlikely the tokens: an answer that ends is what the schema allows, by the word of another implementation.</summary>
public sealed class SchemaDrawTests
{
    private static readonly EvaluationOptions Strict = new() { RequireFormatValidation = true };

    [Fact]
    public void Whatever_ends_is_valid_and_whatever_is_cut_is_its_beginning()
    {
        const int cases = 3_000;
        var seeds = Gen.Select(Gen.Int, Gen.Int, Gen.Int[0, 60]);
        // The same every time, so that a failure is one for everybody.
        var random = new PCG(1, 20_261_127);
        int ended = 0;
        for (int number = 0; number < cases; number++)
        {
            var (schemaSeed, drawSeed, patience) = seeds.Generate(random, null, out _);
            var schema = new RandomSchema(new Random(schemaSeed)).Next();
            var grammar = JsonSchema.ToGrammar(JsonSerializer.SerializeToElement(schema));
            var (bytes, whole) = TestVocabulary.Draw(new TokenConstraint(grammar, TestVocabulary.Trie), new Random(drawSeed), patience, limit: 200);
            if (whole)
                Judge(schema, new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes));
            else
                RequireBeginning(bytes);
            ended += whole ? 1 : 0;
        }
        Assert.True(ended > cases * 0.8, $"{ended} of {cases} ended");
    }

    // Throws where the text is the beginning of no JSON.
    private static void RequireBeginning(byte[] text)
    {
        var reader = new Utf8JsonReader(text, isFinalBlock: false, default);
        while (reader.Read())
            Assert.True(reader.CurrentDepth < 64);
    }

    private static void Judge(JsonObject schema, string text)
    {
        var answer = JsonDocument.Parse(text).RootElement;
        var verdict = Json.Schema.JsonSchema.FromText(schema.ToJsonString()).Evaluate(answer, Strict);
        if (!verdict.IsValid)
            throw new InvalidOperationException($"{text} is not valid by {schema.ToJsonString()}");
    }
}
