using AiFabric.Protocol.OpenAI;

namespace AiFabric.Worker.Errors;

/// <summary>A request is answered with an error in OpenAI's shape. Thrown where the fault is found, written in one place.</summary>
/// <param name="status">HTTP status.</param>
/// <param name="message">What is wrong and what to change.</param>
/// <param name="param">The field at fault.</param>
/// <param name="code">A stable code such as model_not_found.</param>
internal sealed class ApiException(int status, string message, string? param = null, string? code = null) : Exception(message)
{
    public int Status { get; } = status;

    public string? Param { get; } = param;

    public string? Code { get; } = code;

    public ErrorResponse ToResponse() => new()
    {
        Error = new ErrorBody { Message = Message, Type = TypeOf(Status), Param = Param, Code = Code },
    };

    public static ApiException Invalid(string param, string problem) =>
        new(StatusCodes.Status400BadRequest, $"'{param}' {problem}", param, "invalid_value");

    public static ApiException ShuttingDown() =>
        new(StatusCodes.Status503ServiceUnavailable, "The server is shutting down; try again on another one.", code: "shutting_down");

    private static string TypeOf(int status) => status switch
    {
        StatusCodes.Status401Unauthorized => "authentication_error",
        StatusCodes.Status429TooManyRequests => "rate_limit_error",
        >= 500 => "server_error",
        _ => "invalid_request_error",
    };
}
