using System.CommandLine;
using System.Globalization;
using AiFabric.Cli.Cluster;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.FinetuneJobs;
using k8s;
using k8s.Models;
using Spectre.Console;

namespace AiFabric.Cli.Verbs;

/// <summary><c>aifabric finetune MODEL FILE.jsonl</c>: creates a FinetuneJob and follows it to its end.</summary>
internal static class FinetuneVerb
{
    private static readonly Argument<string> Model = new("model") { Description = "Name of the CoServedModel." };
    private static readonly Argument<FileInfo> File = new("file") { Description = "JSON lines, or with --format PlainText a text, to train on." };
    private static readonly Option<string> Name = new("--name") { Description = "Name of the job and of its adapter.", Required = true };
    private static readonly Option<FileInfo?> EvalFile = new("--eval-file") { Description = "Held-out JSON lines. Default: a tenth of FILE, 32 lines at most." };
    private static readonly Option<DatasetFormat> Format = new("--format") { Description = "Text, PlainText, PromptCompletion or Chat." };
    private static readonly Option<int> Rank = new("--rank") { Description = "LoRA rank.", DefaultValueFactory = _ => 16 };
    private static readonly Option<int> Epochs = new("--epochs") { Description = "Passes over the data.", DefaultValueFactory = _ => 1 };
    private static readonly Option<int?> MaxSteps = new("--max-steps") { Description = "Optimizer steps at most." };
    private static readonly Option<string> LearningRate = new("--learning-rate") { Description = "AdamW's step size.", DefaultValueFactory = _ => "0.0005" };
    private static readonly Option<bool> Detach = new("--detach") { Description = "Returns once the job is created." };

    public static Command Create()
    {
        Option<string?> ns = SharedOptions.Namespace();
        Option<string?> kubeconfig = SharedOptions.Kubeconfig();
        var command = new Command("finetune", "Finetunes an adapter on a served model and shows the progress.")
        {
            Model, File, Name, EvalFile, Format, Rank, Epochs, MaxSteps, LearningRate, Detach, ns, kubeconfig,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            foreach (FileInfo file in new[] { parsed.GetRequiredValue(File), parsed.GetValue(EvalFile) }.OfType<FileInfo>())
            {
                if (!file.Exists)
                    throw new CliException($"the file {file.FullName} does not exist");
            }

            KubernetesClientConfiguration configuration = SharedOptions.Configuration(parsed.GetValue(kubeconfig));
            using var client = JobClient.Create(configuration);
            FinetuneJob job = await client.Kubernetes.CreateAsync(Job(parsed, SharedOptions.SpaceOf(parsed.GetValue(ns), configuration)), cancellationToken);
            if (parsed.GetValue(Detach))
            {
                AnsiConsole.WriteLine($"finetunejob.aifabric.io/{job.Metadata.Name} created");
                return 0;
            }

            return await FollowAsync(client, job, cancellationToken);
        });
        return command;
    }

    private static FinetuneJob Job(ParseResult parsed, string ns) => new()
    {
        Metadata = new V1ObjectMeta { Name = parsed.GetRequiredValue(Name), NamespaceProperty = ns },
        Spec = new FinetuneJobSpec
        {
            ModelRef = new LocalReference { Name = parsed.GetRequiredValue(Model) },
            Dataset = new DatasetSpec
            {
                Uri = new Uri(parsed.GetRequiredValue(File).FullName).AbsoluteUri,
                EvalUri = parsed.GetValue(EvalFile) is { } held ? new Uri(held.FullName).AbsoluteUri : null,
                Format = parsed.GetValue(Format),
            },
            Lora = new LoraHyperparameters { Rank = parsed.GetValue(Rank), Alpha = 2 * parsed.GetValue(Rank) },
            Hyperparameters = new Hyperparameters
            {
                Epochs = parsed.GetValue(Epochs),
                MaxSteps = parsed.GetValue(MaxSteps),
                LearningRate = parsed.GetValue(LearningRate),
            },
            Output = new OutputSpec { AdapterName = parsed.GetRequiredValue(Name) },
        },
    };

    private static Task<int> FollowAsync(JobClient client, FinetuneJob job, CancellationToken cancellationToken) =>
        AnsiConsole.Progress().Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn()).StartAsync(async bars =>
        {
            ProgressTask bar = bars.AddTask(job.Metadata.Name);
            string? told = null;
            await foreach (FinetuneJob now in client.FollowAsync(job, cancellationToken))
            {
                FinetuneProgress? progress = now.Status.Progress;
                if (progress?.TotalSteps is > 0)
                    (bar.MaxValue, bar.Value) = (progress.TotalSteps.Value, progress.Step ?? 0);
                bar.Description = Markup.Escape(string.Create(
                    CultureInfo.InvariantCulture, $"{job.Metadata.Name}  loss {progress?.Loss ?? "-"}  eval {progress?.EvalLoss ?? "-"}"));
                if (JobClient.Ended(now) is { } end)
                    return end.Succeeded ? 0 : throw new CliException($"{job.Metadata.Name} failed: {end.Reason}: {end.Message}");
                if (JobClient.Obstacle(now) is { } obstacle && obstacle.Reason != told)
                {
                    told = obstacle.Reason;
                    AnsiConsole.WriteLine($"{job.Metadata.Name}: {obstacle.Reason}: {obstacle.Message}");
                }
            }

            throw new CliException($"{job.Metadata.Name} was deleted");
        });
}
