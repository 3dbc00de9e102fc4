using System.Text;
using System.Text.Json;
using AiFabric.Engine.Tests.Worker;
using AiFabric.Protocol;
using AiFabric.Tests.Fuzzing;
using AiFabric.Tests.Tokenization;
using AiFabric.Worker.Backend;
using AiFabric.Worker.Control;
using AiFabric.Worker.Errors;
using AiFabric.Worker.Serving;
using Xunit;

namespace AiFabric.Engine.Tests.Fuzzing;

/// <summary>Whatever a client sends: the worker makes a plan of it that the engine can take, or refuses it with a 4xx.</summary>
public sealed class WorkerBodyFuzzTests
{
    private const string Chat =
        """
        {"model":"demo","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"Hi"}],"name":"n"}],"temperature":0.5,
        "top_p":0.9,"top_k":5,"min_p":0.1,"max_tokens":7,"stop":["a","b"],"seed":5,"n":2,"stream":true,"stream_options":{"include_usage":true},"logprobs":true,
        "top_logprobs":3,"cache_salt":"s","user":"u","tools":[],"response_format":{"type":"text"},"logit_bias":{},"frequency_penalty":0.1,"presence_penalty":-1}
        """;

    private const string Tools =
        """
        {"model":"demo","messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":[1]}"}}]},
        {"role":"tool","tool_call_id":"a","content":[{"type":"text","text":"ok"}]}],"tools":[{"type":"function","function":{"name":"f","description":"d","strict":true,"parameters":{"type":"object",
        "properties":{"x":{"type":"array","items":{"type":"integer"}}},"required":["x"]}}}],"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,"max_tokens":9}
        """;

    private const string Completion =
        """{"model":"demo","prompt":[1,2,258],"max_tokens":5,"echo":true,"best_of":1,"suffix":"","ignore_eos":true,"repetition_penalty":1.1,"stop":"x","modalities":["text"]}""";

    private const string Embedding =
        """{"model":"demo","input":["Hi",[1,2,258],"again"],"encoding_format":"base64","dimensions":3,"normalize":false,"priority":-1,"user":"u"}""";

    private const string Tokenize =
        """{"model":"demo","messages":[{"role":"user","content":"Hi"}],"add_special_tokens":true,"add_generation_prompt":false,"return_token_strs":true}""";

    private const string Training =
        """
        {"job":"j","suspend":false,"dataset":{"uri":"file:///d","format":"Chat","evalUri":"file:///e"},"lora":{"rank":4,"alpha":8,"targetModules":["q_proj","v_proj"]},
        "hyperparameters":{"learningRate":0.001,"epochs":2,"maxSteps":5,"seed":1},"checkpointUri":"file:///c","checkpointIntervalSteps":3,"outputUri":"file:///o"}
        """;

    // Schemas become automata, whose size has bounds of its own.
    private const int CompiledAllowance = 1 << 19;

    private readonly ServedModel model = new("demo", new ScriptedBackend(), TimeProvider.System);
    private readonly ServedModel tooled = new("demo", new ScriptedBackend { Tokenizer = TinyTokenizer.Load(ToolTemplates.Tagged), MaxContextTokens = 4096 }, TimeProvider.System);

    [Fact]
    public void Chat_bodies()
    {
        Fuzz.Run(Mutations.OfJson(Chat), 6_000, ReadChat);
        Fuzz.Run(Mutations.OfBytes(Encoding.UTF8.GetBytes(Chat)), 3_000, ReadChat);
        Fuzz.Run(Mutations.Random("model", "messages", "role", "content", "text", "stop", "stream_options"), 2_000, ReadChat);
    }

    [Fact]
    public void Tool_bodies()
    {
        Fuzz.Run(Mutations.OfJson(Tools), 6_000, ReadTools);
        Fuzz.Run(Mutations.OfBytes(Encoding.UTF8.GetBytes(Tools)), 3_000, ReadTools);
        Fuzz.Run(Mutations.Random("tools", "function", "type", "name", "parameters", "tool_calls", "tool_call_id", "arguments"), 2_000, ReadTools);
    }

    [Fact]
    public void Text_bodies()
    {
        Fuzz.Run(Mutations.OfJson(Completion), 6_000, ReadText);
        Fuzz.Run(Mutations.OfBytes(Encoding.UTF8.GetBytes(Completion)), 3_000, ReadText);
        Fuzz.Run(Mutations.Random("model", "prompt", "stop", "max_tokens", "logprobs"), 2_000, ReadText);
    }

    [Fact]
    public void Embedding_bodies()
    {
        Fuzz.Run(Mutations.OfJson(Embedding), 6_000, ReadEmbedding);
        Fuzz.Run(Mutations.OfBytes(Encoding.UTF8.GetBytes(Embedding)), 3_000, ReadEmbedding);
        Fuzz.Run(Mutations.Random("model", "input", "encoding_format", "dimensions", "normalize"), 2_000, ReadEmbedding);
    }

    [Fact]
    public void Token_bodies()
    {
        foreach (string body in (string[])[Tokenize, """{"model":"demo","prompt":"Hello","add_special_tokens":false}""", """{"model":"demo","tokens":[1,2,258]}"""])
        {
            Fuzz.Run(Mutations.OfJson(body), 3_000, ReadTokens);
            Fuzz.Run(Mutations.OfBytes(Encoding.UTF8.GetBytes(body)), 2_000, ReadTokens);
        }
        Fuzz.Run(Mutations.Random("model", "prompt", "messages", "tokens", "return_token_strs"), 2_000, ReadTokens);
    }

    [Fact]
    public void Control_bodies()
    {
        Fuzz.Run(Mutations.OfJson(Training), 6_000, ReadTraining);
        Fuzz.Run(Mutations.OfBytes(Encoding.UTF8.GetBytes(Training)), 2_000, ReadTraining);
        Fuzz.Run(Mutations.OfJson("""{"uri":"file:///a","digest":"sha256:0"}"""), 2_000, ReadAdapter);
    }

    private void ReadChat(byte[] body) => Refused(body, json => Check(PlanBuilder.OfChat(model, json)));

    private void ReadTools(byte[] body) => Refused(body, json =>
    {
        var plan = PlanBuilder.OfChat(tooled, json);
        Assert.NotEmpty(plan.Request.PromptTokens);
        Assert.Equal(plan.Tools is null, plan.CallsOf(0) is null);
        Assert.False(plan.Tools is { Forced: true } && plan.Request.Constraint is null);
    }, CompiledAllowance);

    private void ReadText(byte[] body) => Refused(body, json => Check(PlanBuilder.OfText(model, json)));

    private void ReadEmbedding(byte[] body) => Refused(body, json =>
    {
        var plan = EmbeddingPlan.Read(model, json, null, TimeSpan.Zero, isCopy: false);
        Assert.InRange(plan.Requests.Count, 1, EmbeddingPlan.MaxInputs);
        Assert.All(plan.Requests, request =>
        {
            Assert.InRange(request.Tokens.Count, 1, model.Backend.MaxContextTokens);
            Assert.All(request.Tokens, token => Assert.InRange(token, 0, model.Backend.Tokenizer.VocabularySize - 1));
        });
    });

    private void ReadTokens(byte[] body)
    {
        Refused(body, json => Assert.NotNull(TokenHandler.Detokenize(model, json).Prompt));
        Refused(body, json =>
        {
            var answer = TokenHandler.Tokenize(model, json);
            Assert.Equal(answer.Count, answer.Tokens.Count);
            Assert.All(answer.Tokens, token => Assert.InRange(token, 0, model.Backend.Tokenizer.VocabularySize - 1));
        });
    }

    private static void ReadTraining(byte[] body) => Refused(body, json =>
    {
        var recipe = RecipeReader.Read(JsonBody.Convert(json, ControlJson.Default.TrainingRequest), "demo");
        Assert.True(Path.IsPathRooted(recipe.OutputFolder));
    });

    private static void ReadAdapter(byte[] body) =>
        Refused(body, json => Assert.NotNull(JsonBody.Convert(json, ControlJson.Default.AdapterRequest).Uri));

    // What the engine relies on without looking again.
    private void Check(GenerationPlan plan)
    {
        Assert.InRange(plan.Choices, 1, SamplingRanges.MaxChoices);
        Assert.InRange(plan.Request.MaxTokens, 1, model.Backend.MaxContextTokens);
        Assert.NotEmpty(plan.Request.PromptTokens);
        Assert.All(plan.Request.PromptTokens, token => Assert.InRange(token, 0, model.Backend.Tokenizer.VocabularySize - 1));
        Assert.All(plan.StopStrings, Assert.NotEmpty);
        Assert.InRange(plan.Request.Sampling.Temperature, 0, 2);
        Assert.InRange(plan.Request.TopLogprobs ?? 0, 0, 20);
    }

    private static void Refused(byte[] body, Action<JsonElement> read, int allowance = 0) => Fuzz.Bounded(body.Length + allowance, () =>
    {
        try
        {
            read(JsonBody.Parse(body));
        }
        catch (ApiException e)
        {
            Assert.InRange(e.Status, 400, 499);
            // The answer must be writable as it is.
            Assert.NotEmpty(JsonSerializer.SerializeToUtf8Bytes(e.ToResponse(), OpenAIJson.Default.ErrorResponse));
        }
    });
}
