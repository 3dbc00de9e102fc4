using System.ComponentModel.DataAnnotations;

namespace AiFabric.LocalCluster.Hosting;

/// <summary>How a local cluster runs.</summary>
public sealed record LocalClusterOptions : IValidatableObject
{
    /// <summary>The folder of the database, certificates, token and logs; made when missing.</summary>
    [Required(ErrorMessage = "--data-dir is required: the folder where the cluster keeps its state")]
    public string DataDirectory { get; init; } = "";

    /// <summary>The port on 127.0.0.1; 0 takes a free one.</summary>
    [Range(0, 65535, ErrorMessage = "--port must be between 0 and 65535 (0 takes a free one)")]
    public int Port { get; init; } = 6443;

    /// <summary>Where to write a kubeconfig for this cluster; null writes <c>kubeconfig</c> into the data folder.</summary>
    public string? KubeconfigPath { get; init; }

    /// <summary>Executables that stand for container images: the longest key that starts an image's name gives the entrypoint.</summary>
    public IReadOnlyDictionary<string, string> Images { get; init; } = new Dictionary<string, string>();

    /// <summary>Whether the controllers (deployments, jobs, services, garbage collection) run.</summary>
    public bool RunControllers { get; init; } = true;

    /// <summary>Whether a node runs pods as processes.</summary>
    public bool RunNode { get; init; } = true;

    /// <summary>Whether a clean stop leaves the pods running, to be adopted by the next start; else it stops them.</summary>
    public bool KeepPods { get; init; }

    /// <summary>The /16 on loopback that pods get their addresses from; two clusters on one machine need different ones.</summary>
    [RegularExpression(@"127\.\d{1,3}\.0\.0", ErrorMessage = "--pod-network must be a /16 network on loopback, such as 127.100.0.0")]
    public string PodNetwork { get; init; } = "127.100.0.0";

    /// <summary>Changes kept for watches to resume from.</summary>
    [Range(100, 1_000_000)]
    public int KeepEvents { get; init; } = 5000;

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        foreach (var (image, command) in Images)
        {
            if (image.Length == 0 || command.Length == 0)
                yield return new($"--image {image}={command} must name an image and a command: --image PREFIX=COMMAND", [nameof(Images)]);
        }
    }

    /// <summary>Reads the command line.</summary>
    /// <exception cref="ArgumentException">An unknown, incomplete or invalid option; the message says which.</exception>
    public static LocalClusterOptions Parse(IReadOnlyList<string> arguments)
    {
        var options = new LocalClusterOptions();
        var images = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < arguments.Count; i++)
        {
            var name = arguments[i];
            string Value() => ++i < arguments.Count ? arguments[i] : throw new ArgumentException($"{name} needs a value");
            options = name switch
            {
                "--data-dir" => options with { DataDirectory = Value() },
                "--port" => options with { Port = int.TryParse(Value(), out var port) ? port : -1 },
                "--kubeconfig" => options with { KubeconfigPath = Value() },
                "--no-controllers" => options with { RunControllers = false },
                "--no-node" => options with { RunNode = false },
                "--keep-pods" => options with { KeepPods = true },
                "--pod-network" => options with { PodNetwork = Value() },
                "--image" => AddImage(options, images, Value()),
                _ => throw new ArgumentException(
                    $"unknown option {name}: known are --data-dir DIR, --port N, --kubeconfig PATH, --image PREFIX=COMMAND, --keep-pods, "
                    + "--pod-network 127.N.0.0, --no-controllers, --no-node"),
            };
        }

        options.Check();
        return options;
    }

    /// <summary>Validates all options.</summary>
    /// <exception cref="ArgumentException">Some option is invalid; the message names all that are.</exception>
    public void Check()
    {
        var problems = new List<ValidationResult>();
        if (!Validator.TryValidateObject(this, new ValidationContext(this), problems, validateAllProperties: true))
            throw new ArgumentException(string.Join("; ", problems.Select(problem => problem.ErrorMessage)));
    }

    private static LocalClusterOptions AddImage(LocalClusterOptions options, Dictionary<string, string> images, string text)
    {
        var cut = text.IndexOf('=', StringComparison.Ordinal);
        if (cut < 1 || cut == text.Length - 1)
            throw new ArgumentException($"--image {text} must be of the form PREFIX=COMMAND");
        images[text[..cut]] = text[(cut + 1)..];
        return options with { Images = images };
    }
}
